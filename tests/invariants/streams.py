"""A stream as it came, event by event, and what holds for every one of them."""

from dataclasses import dataclass, field

import grpc

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService


@dataclass(slots=True)
class Streamed:
    """All events of one stream, and the status where it failed."""

    events: list[llm_pb2.ChatStreamResponse] = field(default_factory=list)
    failure: Told | None = None

    @property
    def kinds(self) -> list[str | None]:
        """What each event is."""
        return [event.WhichOneof("event") for event in self.events]

    @property
    def text(self) -> str:
        """All that was delivered."""
        return "".join(event.delta.text for event in self.events)

    @property
    def answerer(self) -> str:
        """The provider that the stream began with; empty where it did not begin."""
        return self.events[0].started.route.provider if self.events else ""


async def streamed(service: RunningService, *, timeout_s: float = 60.0) -> Streamed:
    """Make one call, and read all of it."""
    seen = Streamed()
    call = service.stub.ChatStream(chat_message(), timeout=timeout_s)
    try:
        async for event in call:
            seen.events.append(event)
    except grpc.aio.AioRpcError as error:
        seen.failure = told(error)
    return seen


def check_shape(seen: Streamed) -> None:
    """Check one beginning, one end or one status, and parts in order."""
    kinds = seen.kinds
    indices = [event.delta.part_index for event in seen.events if event.HasField("delta")]

    assert ["completed"] * (seen.failure is None) == [one for one in kinds if one == "completed"]
    assert not kinds or "started" == kinds[0]
    assert kinds.count("started") <= 1
    assert seen.failure is not None or "completed" == kinds[-1]
    assert indices == sorted(indices)
    assert not indices or 0 == indices[0]
    assert seen.failure is None or seen.failure.reason
