"""What gRPC holds for callers that do not read is counted until it is gone."""

import asyncio

import pytest

from llmsvc_server.errors import Overloaded
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.rpc.unsent import CALL_BYTES, COPIES, Unsent
from tests.fakes.assembled import everyday_held
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate

MIB = 2**20


class Answers:
    """Calls whose answers a test lets their callers take."""

    def __init__(self, held: HeldAnswers, *, timeout_s: float) -> None:
        self.held = held
        self._unsent = Unsent(held, timeout_s=timeout_s)
        self.taken = Gate()
        self._admission = Admission(max_chats=9, max_request_bytes=9)
        self._calls: list[asyncio.Future[tuple[BaseException | None]]] = []

    async def give(self, message_bytes: int) -> None:
        """Begin to deliver one answer."""
        delivering = asyncio.Event()
        call = self._call(message_bytes, delivering)
        self._calls.append(asyncio.gather(call, return_exceptions=True))
        await delivering.wait()

    async def _call(self, message_bytes: int, delivering: asyncio.Event) -> None:
        slot = self._admission.enter("a", 1)
        try:
            self._unsent.deliver(message_bytes, slot)
        except Overloaded:
            slot.leave()
            raise
        finally:
            delivering.set()
        await self.taken.passed()

    @property
    def slots(self) -> int:
        """How many are held."""
        return self._admission.running

    async def over(self) -> list[BaseException | None]:
        """Let all be taken; return what the calls raised."""
        self.taken.open()
        return [outcome for call in self._calls for outcome in await call]


async def test_an_answer_and_its_slot_are_held_until_it_is_taken() -> None:
    answers = Answers(everyday_held(), timeout_s=60)
    await answers.give(MIB)
    held = (answers.slots, answers.held.bytes)
    await answers.over()
    await eventually(lambda: not answers.slots)

    assert (1, COPIES * MIB + CALL_BYTES) == held
    assert 0 == answers.held.bytes


async def test_a_slot_is_given_to_others_in_time_and_the_bytes_are_not() -> None:
    answers = Answers(everyday_held(), timeout_s=0.05)
    await answers.give(MIB)
    await answers.give(MIB)
    await eventually(lambda: not answers.slots)
    held_bytes = answers.held.bytes
    await answers.over()

    assert 2 * (COPIES * MIB + CALL_BYTES) == held_bytes
    await eventually(lambda: not answers.held.bytes)


async def test_no_call_is_let_in_while_the_limit_is_reached() -> None:
    answers = Answers(everyday_held(2 * MIB), timeout_s=60)
    answers.held.check("a")
    await answers.give(MIB)  # the first one has room, however large
    with pytest.raises(Overloaded):
        answers.held.check("a")
    await answers.over()
    await eventually(lambda: not answers.held.bytes)

    answers.held.check("a")


async def test_an_answer_without_room_is_refused_and_frees_its_slot() -> None:
    answers = Answers(everyday_held(4 * MIB), timeout_s=60)
    await answers.give(MIB)
    await answers.give(MIB)
    slots = answers.slots
    first, second = await answers.over()

    assert 1 == slots
    assert first is None
    assert isinstance(second, Overloaded)
