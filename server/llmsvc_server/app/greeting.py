"""What the operator is told at start: where it listens, who will answer, what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass

from llmsvc_server import __version__
from llmsvc_server.app.providers import Providers
from llmsvc_server.chat.route import ProviderKind
from llmsvc_server.config.providers import MockSettings, OllamaSettings
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded
from llmsvc_server.errors import ErrorKind
from llmsvc_server.routing.plan import Target

PROBLEMS = {
    ErrorKind.MISCONFIGURED: "its base_url answers, but not as Ollama: correct it",
    ErrorKind.CREDENTIAL: "something in front of it asks for credentials",
    ErrorKind.SILENT: "it accepts connections but does not answer",
    ErrorKind.PROTOCOL: "its answers cannot be understood: is that Ollama?",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on one provider, and whether all is well there."""

    text: str
    good: bool


def started(loaded: Loaded, port: int) -> dict[str, object]:
    """Return the facts of the start line."""
    settings = loaded.settings
    host = settings.server.listen.rpartition(":")[0]
    return {
        "version": __version__,
        "listen": f"{host}:{port}",
        "configuration": loaded.source,
        "providers": [_in_short(name, entry) for name, entry in settings.llm.candidates.items()],
    }


def _in_short(name: str, entry: OllamaSettings | MockSettings) -> str:
    if isinstance(entry, MockSettings):
        return f"{name}: {entry.model}"
    at_once = entry.max_in_flight_per_model
    return f"{name}: {entry.model} at {entry.base_url}, {at_once} at a time, others wait"


def warnings(settings: Settings) -> Iterator[str]:
    """Yield what the operator should know before anything has happened."""
    if not settings.server.on_loopback:
        yield (
            "listening beyond this machine, without TLS and authentication: whoever"
            " reaches the port can use it; put it behind something that has both"
        )


def findings(providers: Providers) -> Iterator[Finding]:
    """Yield what the first look found out about each provider, in order."""
    served = False
    for target in providers.targets:
        finding = _finding(target, providers, first=not served)
        served = served or finding.good
        yield finding


def _finding(target: Target, providers: Providers, *, first: bool) -> Finding:
    info, model = target.provider.info, target.default_model
    look = providers.inventory.look(info.name)
    if not look.reachable:
        kind = look.problem.kind if look.problem else ErrorKind.SILENT
        why = PROBLEMS.get(kind, "it cannot be reached: start it with `ollama serve`")
        return Finding(f"{info.name} does not answer: {why}", good=False)
    if providers.inventory.spelling(info.name, model) is None:
        return Finding(
            f"{info.name} does not have {model}; install it with: ollama pull {model}", good=False
        )
    if info.kind is ProviderKind.MOCK:
        if first:
            return Finding(f"CANNED ANSWERS come from {info.name}, which is no model", good=False)
        return Finding(f"{info.name} gives canned answers where nobody else can", good=True)
    return Finding(f"{info.name} answers with {model}", good=True)
