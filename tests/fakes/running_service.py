"""The whole service in this process, built from settings, on a port that the system gives."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc

from llmsvc.v1 import llm_pb2_grpc
from llmsvc_server.app.build import App, build
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.config.settings import Settings
from tests.fakes.doors import door_here
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.listening_reporter import ListeningReporter

Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """A started service, a channel to it, and what it reported."""

    app: App
    address: str
    channel: grpc.aio.Channel
    stub: "llm_pb2_grpc.LLMServiceAsyncStub"  # a name for type checkers only
    reporter: ListeningReporter


def over_ollama(fake: FakeOllama, *, mock: bool = False, **entry: object) -> Tree:
    """Return settings for one Ollama with phi3:mini, and for the mock after it if wanted.

    Args:
        fake: The Ollama.
        mock: Whether the mock comes next in the sequence.
        entry: Further settings of the Ollama entry.
    """
    providers: dict[str, object] = {
        "ollama": {"kind": "ollama", "base_url": fake.base_url, "model": "phi3:mini", **entry}
    }
    if mock:
        providers["mock"] = {"kind": "mock", "enabled": True}
    return {
        "providers": providers,
        "default_provider": "ollama",
        "fallback_sequence": ["mock"] if mock else [],
    }


@asynccontextmanager
async def running_service(
    llm: Tree, *, judged_by: Clock | None = None, **sections: Tree
) -> AsyncIterator[RunningService]:
    """Run the service.

    Args:
        llm: The `llm` section.
        judged_by: What breakers and blocks go by; this machine's clock if None.
        sections: Other sections: server, limits, drain, health.
    """
    server = {"listen": "127.0.0.1:0", **sections.pop("server", {})}
    settings = Settings.model_validate({"server": server, "llm": llm, **sections})
    reporter = ListeningReporter()
    async with AsyncExitStack() as stack:
        app = await build(settings, stack, reporter, door_here(), judged_by=judged_by)
        await app.start(refresh_s=settings.health.refresh_s)
        address = app.places.addresses[0]
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                yield RunningService(
                    app=app,
                    address=address,
                    channel=channel,
                    stub=llm_pb2_grpc.LLMServiceStub(channel),
                    reporter=reporter,
                )
        finally:
            app.board.drain()
            await app.server.stop(0)
