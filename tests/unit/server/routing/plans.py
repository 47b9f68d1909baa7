"""Targets, and the plan of one request over them, for tests of who may be asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

from llmsvc_server.chat.features import NO_FEATURES, Capability, Features
from llmsvc_server.chat.request import SERVERS_ROUTING, Routing
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.routing.plan import Plan, Planner
from llmsvc_server.routing.targets import Candidate, Target, Targets
from tests.fakes.requests import chat_request
from tests.fakes.scripted_provider import ScriptedProvider, Step
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.candidates import info_of

LOCAL_ONLY, ALLOWED = Privacy.LOCAL_ONLY, Privacy.CLOUD_ALLOWED


def local(
    name: str,
    model: str,
    *models: str,
    steps: Sequence[Step] = (),
    lacks: Collection[Capability] = (),
    **more: object,
) -> Target:
    """Return a local provider that lists `models`, its own included, and answers with `steps`.

    They can do all but what it `lacks`.
    """
    info = ProviderInfo(name=name, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
    provider = ScriptedProvider(*steps, info=info, models=(model, *models), lacks=frozenset(lacks))
    target = Target(upstream=ScriptedUpstream(provider), default_model=model)
    return replace(target, **more)  # type: ignore[arg-type]  # fields of Target


def cloud(name: str, model: str, **more: object) -> Target:
    """Return a remote provider, which lists nothing."""
    target = Target(
        upstream=ScriptedUpstream(ScriptedProvider(info=info_of(name))),
        default_model=model,
        is_listed=False,
    )
    return replace(target, **more)  # type: ignore[arg-type]  # fields of Target


def scripted(target: Target) -> ScriptedProvider:
    """Return the provider behind a target of this module."""
    return cast("ScriptedUpstream", target.upstream).provider


async def planned(  # noqa: PLR0913  what a call may vary, by keyword
    *sequence: Target,
    model: str = "",
    routing: Routing = SERVERS_ROUTING,
    others: tuple[Target, ...] = (),
    withheld: Mapping[str, ProviderError] | None = None,
    privacy: Privacy = ALLOWED,
    text: str = "hi",
    looked: bool = True,
    features: Features = NO_FEATURES,
) -> Plan:
    """Return the plan of one request."""
    sources = {
        target.info.name: scripted(target) for target in (*sequence, *others) if target.is_listed
    }
    inventory = inventory_over(sources)
    for name in sources if looked else ():
        await inventory.refresh(name, name)
    targets = Targets(
        sequence=sequence,
        others={target.info.name: target for target in others},
        withheld=withheld or {},
        privacy=privacy,
    )
    asked = chat_request(text, model=model, routing=routing, features=features)
    return Planner(targets, inventory).plan(asked)


def seen(made: Plan) -> list[tuple[str, str]]:
    """Return the provider and the model, or the failure's class, of each entry."""
    told = []
    for entry in made.entries:
        if isinstance(entry, Candidate):
            told.append((entry.info.name, entry.model))
        else:
            assert entry.provider is not None
            assert not entry.called
            told.append((entry.provider.name, entry.kind))
    return told
