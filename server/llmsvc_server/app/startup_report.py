"""What the operator is told at start: where it listens, who will answer, what is missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, starmap

from llmsvc_server import __version__
from llmsvc_server.app.providers import Providers
from llmsvc_server.catalog.inventory import Poll
from llmsvc_server.chat.naming import join_names
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.chat.tls import TlsTrouble
from llmsvc_server.config.keys import ENTRIES, environment_name
from llmsvc_server.config.sources import Loaded
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.direct_post import reason_for_sessions
from llmsvc_server.routing.targets import Target
from llmsvc_server.rpc.listening import ListenAddresses

START = {ProviderKind.OLLAMA: "start it with `ollama serve`"}
SEQUENCE = "who is in the sequence"
"""Where the operator's privacy follows from if nobody set it."""

INSTALL = {ProviderKind.OLLAMA: "install it with: ollama pull {model}"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on one provider, and whether all is well there."""

    text: str
    good: bool


def describe_start(loaded: Loaded, listening: Mapping[str, ListenAddresses]) -> dict[str, object]:
    """Return the facts of the start line.

    Args:
        loaded: The settings.
        listening: Where the server listens, by setting; its name gets the first address.
    """
    settings = loaded.settings
    return {
        "version": __version__,
        **dict(chain.from_iterable(starmap(_describe_listener, listening.items()))),
        "configuration": loaded.source,
        "privacy": settings.llm.operator_privacy,
        "privacy_source": loaded.origins["llm.privacy"] if settings.llm.privacy else SEQUENCE,
        "providers": [
            f"{name}: {entry.summary}" for name, entry in settings.llm.candidates.items()
        ],
        **({"http_by_session": why} if (why := reason_for_sessions()) else {}),
    }


def _describe_listener(setting: str, places: ListenAddresses) -> Iterator[tuple[str, object]]:
    first, *others = places.addresses
    yield setting, first
    if others:
        yield f"{setting}_also", others
    if places.absent:
        yield f"{setting}_left_out", list(places.absent)


def describe_providers(providers: Providers) -> Iterator[Finding]:
    """Yield what the first poll found out about each local provider, in order."""
    served = False
    for target in providers.targets.sequence:
        if target.upstream.info.locality is not Locality.LOCAL:
            continue
        for finding in _describe(target, providers, first=not served):
            served = served or finding.good
            yield finding


def _describe(target: Target, providers: Providers, *, first: bool) -> Iterator[Finding]:
    info, model = target.upstream.info, target.default_model
    if info.kind is ProviderKind.MOCK:
        if first:
            yield Finding(f"CANNED ANSWERS come from {info.name}, which is no model", good=False)
        else:
            yield Finding(f"{info.name} gives canned answers where nobody else can", good=True)
        return
    inventory = providers.inventory
    for endpoint in providers.upstreams[info.name].endpoints:
        poll = inventory.last_poll(info.name, endpoint.name)
        if not poll.reachable:
            why = _explain(poll, info.kind, providers.addresses[endpoint.name])
            yield Finding(f"{endpoint.name} does not answer: {why}", good=False)
        elif not inventory.has(info.name, endpoint.name, model):
            models = inventory.models(info.name, endpoint.name, remote=target.allows_remote)
            yield Finding(
                f"{endpoint.name} does not have {model}{_advise(info, model, join_names(models))}",
                good=False,
            )
        elif poll.catalogue is not None and not poll.catalogue.is_listed:
            what = f"{endpoint.name} lists no models: it is asked for {model} all the same"
            yield Finding(what, good=True)
        else:
            yield Finding(f"{endpoint.name} answers with {model}", good=True)


def _advise(info: ProviderInfo, model: str, there: str) -> str:
    """Return what is there, how to choose it, and how to get the other."""
    install = INSTALL.get(info.kind, "").format(model=model)
    if not there:
        return f"; {install or 'correct its model'}"
    variable = environment_name((*ENTRIES, info.name, "model"))
    choose = f"it has {there}: name one with {variable}"
    return ", but " + (f"{choose}, or {install}" if install else choose)


def _explain(poll: Poll, kind: ProviderKind, address: str) -> str:
    if poll.problem and isinstance(poll.problem.cause, TlsTrouble):
        return poll.problem.cause.problem.format(address=address)
    if poll.problem and poll.problem.kind is ErrorKind.CONNECT and poll.problem.called:
        return "something takes connections there and closes them: is that such a server?"
    found = poll.problem.kind if poll.problem else ErrorKind.SILENT
    return found.rules.problem or f"it cannot be reached: {START.get(kind, 'start it')}"
