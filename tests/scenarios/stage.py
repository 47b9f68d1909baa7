"""The whole service between a primary that a test spoils and a fallback that is well."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import grpc
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, Tree, running_service
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.privacy import LOCAL_ONLY, imported_clouds
from tests.scenarios.protocols import KEY, Protocol

FALLBACK_OF = {
    Protocol.OLLAMA: Protocol.OPENAI,
    Protocol.OPENAI: Protocol.ANTHROPIC,
    Protocol.ANTHROPIC: Protocol.OPENAI,
}
FALLBACK_TEXT = "from the fallback"
REASONS = llm_pb2.ErrorReason


class Way(StrEnum):
    """Which call is made."""

    CHAT = "Chat"
    STREAM = "ChatStream"


@dataclass(slots=True)
class Answer:
    """What one call gave.

    Attributes:
        text: All of it, as far as it came.
        response: The whole response, or the stream's last event; None where there is none.
        started: The route that the stream began with.
        failure: The status, where the call failed.
    """

    text: str = ""
    response: llm_pb2.ChatResponse | None = None
    started: llm_pb2.RouteInfo | None = None
    failure: Told | None = None

    @property
    def code(self) -> str:
        """The status code's name."""
        return "OK" if self.failure is None else self.failure.code

    @property
    def reason(self) -> str:
        """The error's reason; empty on success."""
        return "" if self.failure is None else self.failure.reason

    @property
    def route(self) -> llm_pb2.RouteInfo:
        """Who answered and what was tried, from wherever it stands."""
        if self.failure is not None:
            return self.failure.detail(llm_pb2.RouteInfo)
        assert self.response is not None
        return self.response.route

    @property
    def attempts(self) -> list[tuple[str, str]]:
        """Provider and reason of each attempt; the reason of a success is "OK"."""
        return [(one.target.provider, _reason(one.reason)) for one in self.route.attempts]

    @property
    def has_retry_info(self) -> bool:
        """Whether the failure says when to ask again."""
        details = () if self.failure is None else self.failure.details
        return any(isinstance(one, error_details_pb2.RetryInfo) for one in details)


def _reason(number: int) -> str:
    name = REASONS.Name(number).removeprefix("ERROR_REASON_")  # type: ignore[arg-type]  # an enum's number
    return "OK" if name == "UNSPECIFIED" else name


@dataclass(slots=True, kw_only=True)
class Stage:
    """A running service and its upstreams.

    Attributes:
        primary: Asked first; the one that a test spoils.
        fallback: Asked next; None where the primary is alone.
        service: The service.
        clock: What breakers and blocks go by where time stands still; a test moves it.
    """

    primary: FaultServer
    fallback: FaultServer | None
    service: RunningService
    clock: ManualClock

    @property
    def lists_model(self) -> bool:
        """Whether the primary's model may be asked for, where the service looks at its list."""
        inventory = self.service.app.providers.inventory
        watched = {provider for provider, _ in inventory.endpoints}
        return "primary" not in watched or inventory.has("primary", "primary", self.primary.model)

    async def ask(self, way: Way, *, timeout_s: float = 60.0, text: str = "hi") -> Answer:
        """Make one call."""
        answer = Answer()
        request = chat_message(text)
        try:
            if way is Way.CHAT:
                answer.response = await self.service.stub.Chat(request, timeout=timeout_s)
                answer.text = "".join(part.text for part in answer.response.message.parts)
                return answer
            async for event in self.service.stub.ChatStream(request, timeout=timeout_s):
                assert answer.response is None, "something follows the end"
                match event.WhichOneof("event"):
                    case "started":
                        assert answer.started is None, "two beginnings"
                        answer.started = event.started.route
                    case "delta":
                        assert answer.started is not None, "content before the beginning"
                        answer.text += event.delta.text
                    case "completed":
                        answer.response = event.completed
                    case _:
                        pass
        except grpc.aio.AioRpcError as error:
            answer.failure = told(error)
            answer.response = None
        return answer


def entry(server: FaultServer, **more: object) -> Tree:
    """Return the settings of one upstream."""
    own: dict[str, object] = {"kind": server.protocol.value, "base_url": server.root}
    own["model"] = server.model
    if server.protocol is not Protocol.OLLAMA:
        own["api_key"] = KEY
    return {**own, **more}


def settings(
    servers: Mapping[str, FaultServer], *, privacy: str | None, **of_each: Mapping[str, object]
) -> dict[str, object]:
    """Return the `llm` section for `servers`, asked in their order.

    Args:
        servers: By the names of their entries.
        privacy: The ceiling, if there is one.
        of_each: Further settings, by the names of entries.
    """
    first, *others = servers
    return {
        "providers": {
            name: entry(server, **of_each.get(name, {})) for name, server in servers.items()
        },
        "default_provider": first,
        "fallback_sequence": others,
        "privacy": privacy,
    }


def check_cloud(cloud: FaultServer) -> None:
    """Check that a cloud saw nothing, and that nothing that speaks to one is there."""
    assert 0 == cloud.connections
    assert [] == imported_clouds()


@asynccontextmanager
async def staged(  # noqa: PLR0913  plain settings, by keyword
    protocol: Protocol,
    *,
    alone: bool = False,
    stands_still: bool = False,
    primary: Mapping[str, object] | None = None,
    fallback: Mapping[str, object] | None = None,
    limits: Mapping[str, object] | None = None,
) -> AsyncIterator[Stage]:
    """Run the service over a primary of `protocol`, and a fallback of another one.

    Args:
        protocol: The primary's.
        alone: Whether there is no fallback.
        stands_still: Whether breakers and blocks go by a clock that only a test moves.
        primary: Further settings of the primary's entry.
        fallback: Further settings of the fallback's.
        limits: Of the service.
    """
    async with AsyncExitStack() as stack:
        servers = {"primary": await stack.enter_async_context(FaultServer(protocol))}
        if not alone:
            second = FaultServer(FALLBACK_OF[protocol], says=FALLBACK_TEXT)
            servers["fallback"] = await stack.enter_async_context(second)
        of_primary = dict(primary or {})
        privacy = None
        if LOCAL_ONLY:
            privacy = "local_only"
            cloud = servers["cloud"] = FaultServer(Protocol.ANTHROPIC)
            await stack.enter_async_context(cloud)
            stack.callback(check_cloud, cloud)
            if protocol is Protocol.OPENAI:
                of_primary["local"] = True
        clock = ManualClock()
        llm = settings(servers, privacy=privacy, primary=of_primary, fallback=fallback or {})
        service = await stack.enter_async_context(
            running_service(
                llm,
                health={"refresh_s": 0.1},
                limits=limits or {},
                judged_by=clock if stands_still else None,
            )
        )
        await service.app.providers.inventory.wait_for_first_poll()
        yield Stage(
            primary=servers["primary"],
            fallback=servers.get("fallback"),
            service=service,
            clock=clock,
        )
