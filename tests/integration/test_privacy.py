"""Where prompts may go: the operator's ceiling, a call's own wish, and what goes out."""

import subprocess
import sys
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service
from tests.integration.calling import failure_of, said
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import KEY, Fault, Protocol, refuse
from tests.scenarios.stage import entry

LOCAL_ONLY = llm_pb2.PRIVACY_MODE_LOCAL_ONLY
ALLOWED = llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED
REASONS = llm_pb2.ErrorReason


class Place:
    """A service over an Ollama and two clouds."""

    def __init__(self, service: RunningService, servers: dict[Protocol, FaultServer]) -> None:
        """Keep the parts."""
        self.service = service
        self.ollama = servers[Protocol.OLLAMA]
        self.clouds = (servers[Protocol.OPENAI], servers[Protocol.ANTHROPIC])

    @property
    def left(self) -> int:
        """How many connections any cloud has seen."""
        return sum(cloud.connections for cloud in self.clouds)


@asynccontextmanager
async def place(*sequence: str, privacy: str | None = None) -> AsyncIterator[Place]:
    """Run a service that asks `sequence`, with entries for an Ollama and two clouds."""
    async with AsyncExitStack() as stack:
        servers = {kind: await stack.enter_async_context(FaultServer(kind)) for kind in Protocol}
        first, *others = sequence
        llm = {
            "providers": {kind.value: entry(server) for kind, server in servers.items()},
            "default_provider": first,
            "fallback_sequence": others,
            "privacy": privacy,
        }
        service = await stack.enter_async_context(running_service(llm))
        yield Place(service, servers)


def request(
    *targets: tuple[str, str],
    mode: "llm_pb2.PrivacyMode.ValueType" = llm_pb2.PRIVACY_MODE_UNSPECIFIED,
    model: str = "",
) -> llm_pb2.ChatRequest:
    """Return a request with a routing policy."""
    message = chat_message(model=model)
    message.routing_policy.privacy_mode = mode
    for provider, wanted in targets:
        message.routing_policy.targets.add(provider=provider, model=wanted)
    return message


async def refused(at: Place, message: llm_pb2.ChatRequest) -> Told:
    """Return the status of a call that fails, after checking that nothing left."""
    told = await failure_of(at.service.stub.Chat(message))
    assert 0 == at.left
    return told


async def test_a_listed_cloud_makes_it_allowed_and_the_answer_says_so() -> None:
    async with place("openai", "ollama") as at:
        response = await at.service.stub.Chat(chat_message())

    assert "from the primary" == said(response)
    assert ALLOWED == response.route.effective_privacy_mode
    assert llm_pb2.LOCALITY_REMOTE == response.route.locality
    assert [True] == [one.content_sent for one in response.route.attempts]


@pytest.mark.parametrize("privacy", [None, "local_only"])
async def test_without_a_listed_cloud_or_under_a_ceiling_all_stays_inside(
    privacy: str | None,
) -> None:
    sequence = ("ollama",) if privacy is None else ("openai", "ollama", "anthropic")
    async with place(*sequence, privacy=privacy) as at:
        response = await at.service.stub.Chat(request(mode=ALLOWED))

        assert LOCAL_ONLY == response.route.effective_privacy_mode
        assert "ollama" == response.route.provider
        assert 0 == at.left


@pytest.mark.parametrize("unary", [True, False])
async def test_a_call_keeps_itself_inside_whatever_fails(*, unary: bool) -> None:
    async with place("ollama", "openai") as at:
        at.ollama.always([refuse(Protocol.OLLAMA, Fault.UNAVAILABLE)])
        message = request(mode=LOCAL_ONLY)
        stub = at.service.stub
        call = stub.Chat(message) if unary else _all(stub.ChatStream(message))
        told = await failure_of(call)
        route = told.detail(llm_pb2.RouteInfo)

        assert ("UNAVAILABLE", "PROVIDER_ERROR") == (told.code, told.reason)
        assert "privacy" == told.metadata["failoverBlocked"]
        assert LOCAL_ONLY == route.effective_privacy_mode
        assert [REASONS.ERROR_REASON_ROUTE_FORBIDDEN] == [
            one.reason for one in route.attempts if one.target.provider == "openai"
        ]
        assert [False] == [
            one.content_sent for one in route.attempts if one.target.provider == "openai"
        ]
        assert 0 == at.left


async def _all(stream: AsyncIterable[llm_pb2.ChatStreamResponse]) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    ("privacy", "mode", "cause"),
    [(None, LOCAL_ONLY, "request"), ("local_only", ALLOWED, "operator")],
)
@pytest.mark.parametrize("target", [("openai", ""), ("anthropic", "claude-haiku-4-5")])
async def test_a_cloud_that_is_named_against_the_policy_is_refused(
    privacy: str | None, mode: "llm_pb2.PrivacyMode.ValueType", cause: str, target: tuple[str, str]
) -> None:
    async with place("ollama", "openai", privacy=privacy) as at:
        told = await refused(at, request(target, mode=mode))

        assert ("FAILED_PRECONDITION", "ROUTE_FORBIDDEN") == (told.code, told.reason)
        assert cause == told.metadata["cause"]
        assert [] == at.ollama.chats


async def test_a_forbidden_target_is_skipped_where_a_local_one_follows() -> None:
    async with place("ollama", "openai") as at:
        message = request(("openai", ""), ("ollama", ""), mode=LOCAL_ONLY)
        response = await at.service.stub.Chat(message)

        assert "ollama" == response.route.provider
        assert ["openai", "ollama"] == [one.target.provider for one in response.route.attempts]
        assert 0 == at.left


async def test_a_clouds_model_that_is_named_against_the_policy_is_refused() -> None:
    async with place("ollama", "openai") as at:
        told = await refused(at, request(mode=LOCAL_ONLY, model="gpt-4o-mini"))

    assert ("FAILED_PRECONDITION", "ROUTE_FORBIDDEN") == (told.code, told.reason)


async def test_a_provider_that_nobody_configured_is_not_found() -> None:
    async with place("ollama") as at:
        told = await refused(at, request(("nobody", "")))

    assert ("NOT_FOUND", "PROVIDER_NOT_FOUND") == (told.code, told.reason)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_what_goes_out_to_a_cloud_is_the_agreed_headers_and_no_more(name: str) -> None:
    async with place(name) as at:
        metadata = (("x-request-id", "callers-own"), ("authorization", "callers-own"))
        await at.service.stub.Chat(chat_message(), metadata=metadata)
        cloud = next(one for one in at.clouds if one.chats)
        headers = cloud.chats[0].headers
    own = {
        "openai": {"authorization": f"Bearer {KEY}"},
        "anthropic": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    }[name]
    common = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}

    assert common | own.keys() == headers.keys()
    assert own == {key: headers[key] for key in own}
    assert "callers-own" not in str(headers)


SCRIPT = """
import asyncio, sys
from contextlib import AsyncExitStack
from llmsvc_server.app.build import build
from llmsvc_server.config.settings import Settings
from tests.fakes.doors import door_here
from tests.fakes.listening_reporter import ListeningReporter

async def main():
    async with AsyncExitStack() as stack:
        settings = Settings.model_validate({
            "server": {"listen": "127.0.0.1:0"},
            "llm": {
                "providers": {
                    "ollama": {"kind": "ollama"},
                    "openai": {"kind": "openai", "model": "m", "api_key": "k"},
                    "claude": {"kind": "anthropic", "model": "m", "api_key": "k"},
                },
                "default_provider": "ollama",
                "fallback_sequence": ["openai", "claude"],
                "privacy": sys.argv[1] or None,
            },
        })
        await build(settings, stack, ListeningReporter(), door_here())

asyncio.run(main())
print(*sorted(name for name in sys.modules if name.startswith("llmsvc_server.providers.")))
"""


@pytest.mark.parametrize(("privacy", "imported"), [("local_only", False), ("", True)])
def test_under_a_ceiling_no_module_of_a_cloud_is_imported(privacy: str, *, imported: bool) -> None:
    done = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-c", SCRIPT, privacy], capture_output=True, text=True, check=True
    )
    clouds = {"llmsvc_server.providers.openai.chat", "llmsvc_server.providers.anthropic.chat"}

    assert imported == bool(clouds & set(done.stdout.split()))
