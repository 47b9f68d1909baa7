"""The four fallback patterns of docs/failover.md, as their files are: served, and failed over."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from llmsvc.v1 import llm_pb2
from llmsvc_server.config.sources import load
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service
from tests.integration.calling import failure_of
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import KEY, Protocol
from tests.scenarios.stage import Stage, Way

CONFIGS = Path(__file__).parents[2] / "deploy/config"
ENTRY = "LLMSVC_LLM__PROVIDERS__"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One server of a pattern.

    Attributes:
        entry: The entry that it belongs to; several servers of one entry are a pool.
        protocol: What it speaks.
        model: What it has, where that is not the usual model of its protocol.
        is_cloud: Whether it is outside of the operator's network, and wants a key.
    """

    entry: str
    protocol: Protocol
    model: str = ""
    is_cloud: bool = False


OLLAMA = Upstream("ollama", Protocol.OLLAMA)
OPENAI = Upstream("openai", Protocol.OPENAI, is_cloud=True)
CLAUDE = Upstream("claude", Protocol.ANTHROPIC, is_cloud=True)
VLLM = Upstream("vllm", Protocol.OPENAI, model="qwen3")
PATTERNS = {
    "local-only": [OLLAMA],
    "local-then-cloud": [OLLAMA, OPENAI],
    "cloud-then-local": [CLAUDE, OLLAMA],
    "pool-vllm-cloud": [OLLAMA, OLLAMA, VLLM, OPENAI],
}


class Served(FaultServer):
    """An upstream that has the model which the pattern's file names."""

    def __init__(self, upstream: Upstream, *, says: str) -> None:
        """Speak as `upstream` does, and say `says`."""
        super().__init__(upstream.protocol, says=says)
        self.upstream = upstream

    @property
    @override
    def model(self) -> str:
        return self.upstream.model or super().model


def addresses_and_keys(servers: list[Served]) -> dict[str, str]:
    """Return what stands in the environment: addresses and keys, and nothing else."""
    roots: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for server in servers:
        entry = server.upstream.entry
        roots.setdefault(entry, []).append(server.root)
        if server.upstream.is_cloud:
            said[f"{ENTRY}{entry.upper()}__API_KEY"] = KEY
    for entry, of_entry in roots.items():
        if len(of_entry) == 1:
            said[f"{ENTRY}{entry.upper()}__BASE_URL"] = of_entry[0]
        else:
            said[f"{ENTRY}{entry.upper()}__BASE_URLS"] = json.dumps(of_entry)
    return said


@dataclass(frozen=True, slots=True)
class Pattern:
    """A running service over the servers of a pattern, in the order in which they are asked."""

    servers: list[Served]
    service: RunningService

    async def answerer(self, way: Way) -> str:
        """Return the entry that answered, after checking that its text is one of its servers'."""
        answer = await self.stage.ask(way)
        entry = answer.route.provider

        assert "OK" == answer.code, answer.failure
        assert answer.text in {
            f"from server {number}"
            for number, server in enumerate(self.servers)
            if server.upstream.entry == entry
        }
        return entry

    @property
    def stage(self) -> Stage:
        """What asks."""
        return Stage(
            primary=self.servers[0], fallback=None, service=self.service, clock=ManualClock()
        )


@asynccontextmanager
async def running(name: str, **more: str) -> AsyncIterator[Pattern]:
    """Run the service from a pattern's file.

    Args:
        name: The file's, without its ending.
        more: Variables beside addresses and keys.
    """
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Served(upstream, says=f"from server {number}"))
            for number, upstream in enumerate(PATTERNS[name])
        ]
        variables = {**addresses_and_keys(servers), **more}
        settings = load(str(CONFIGS / f"{name}.yaml"), variables).settings
        service = await stack.enter_async_context(running_service(settings.llm.model_dump()))
        await service.app.providers.inventory.wait_for_first_poll()
        yield Pattern(servers, service)


@pytest.mark.parametrize("way", list(Way), ids=str)
@pytest.mark.parametrize("name", PATTERNS)
async def test_whoever_is_left_first_in_line_answers(name: str, way: Way) -> None:
    line = PATTERNS[name]
    async with running(name) as pattern:
        answered = []
        for server in pattern.servers:
            answered.append(await pattern.answerer(way))
            server.stop()
        last = await pattern.stage.ask(way)

    assert [upstream.entry for upstream in line] == answered
    assert "UNAVAILABLE" == last.code


@pytest.mark.parametrize("way", list(Way), ids=str)
@pytest.mark.parametrize("name", PATTERNS)
async def test_the_route_says_whether_the_answer_came_from_a_cloud(name: str, way: Way) -> None:
    *others, last = PATTERNS[name]
    async with running(name) as pattern:
        for server in pattern.servers[: len(others)]:
            server.stop()
        route = (await pattern.stage.ask(way)).route

    locality = llm_pb2.LOCALITY_REMOTE if last.is_cloud else llm_pb2.LOCALITY_LOCAL
    mode = (
        llm_pb2.PRIVACY_MODE_LOCAL_ONLY
        if name == "local-only"
        else llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED
    )
    assert (last.entry, locality, mode) == (
        route.provider,
        route.locality,
        route.effective_privacy_mode,
    )


@pytest.mark.parametrize("way", list(Way), ids=str)
async def test_local_only_never_connects_to_a_cloud_that_variables_add(way: Way) -> None:
    async with FaultServer(Protocol.OPENAI, says="from the cloud") as cloud:
        added = {
            f"{ENTRY}OPENAI__BASE_URL": cloud.root,
            f"{ENTRY}OPENAI__MODEL": cloud.model,
            f"{ENTRY}OPENAI__API_KEY": KEY,
            "LLMSVC_LLM__FALLBACK_SEQUENCE": '["openai"]',
        }
        async with running("local-only", **added) as pattern:
            well = await pattern.answerer(way)
            pattern.servers[0].stop()
            failed = await pattern.stage.ask(way)

        assert 0 == cloud.connections
    assert "ollama" == well
    assert ("UNAVAILABLE", "PROVIDER_UNREACHABLE") == (failed.code, failed.reason)


@pytest.mark.parametrize("name", [name for name in PATTERNS if name != "local-only"])
async def test_a_request_that_stays_inside_reaches_no_cloud(name: str) -> None:
    request = chat_message()
    request.routing_policy.privacy_mode = llm_pb2.PRIVACY_MODE_LOCAL_ONLY
    async with running(name) as pattern:
        well = await pattern.service.stub.Chat(request)
        for server in pattern.servers:
            if not server.upstream.is_cloud:
                server.stop()
        failed = await failure_of(pattern.service.stub.Chat(request))

        assert 0 == sum(
            server.connections for server in pattern.servers if server.upstream.is_cloud
        )
    assert ("ollama", llm_pb2.LOCALITY_LOCAL) == (well.route.provider, well.route.locality)
    assert "UNAVAILABLE" == failed.code
    assert "privacy" == failed.metadata["failoverBlocked"]
