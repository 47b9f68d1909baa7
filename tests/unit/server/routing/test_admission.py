import asyncio

import pytest

from llmsvc_server.errors import LlmsvcError, Overloaded, ShuttingDown
from llmsvc_server.routing.admission import Admission, Slot


class House:
    """A gate, and those who are inside."""

    def __init__(self, max_chats: int) -> None:
        self.gate = Admission(max_chats=max_chats, max_request_bytes=2_000)
        self._slots: dict[str, list[Slot]] = {}

    def ask(self, caller: str, chats: int = 1) -> int:
        """Ask so many times; return how many got in."""
        return sum(self._enters(caller) for _ in range(chats))

    def leave(self, caller: str) -> None:
        self._slots[caller].pop().leave()

    def _enters(self, caller: str) -> bool:
        try:
            slot = self.gate.enter(caller, 1)
        except LlmsvcError:
            return False
        self._slots.setdefault(caller, []).append(slot)
        return True


def test_a_place_does_not_tell_whose_it_is() -> None:
    slot = Admission(max_chats=1, max_request_bytes=2_000).enter("192.0.2.7", 1)

    assert "192.0.2.7" not in repr(slot)


def test_it_counts_and_refuses_at_once_when_full() -> None:
    gate = Admission(max_chats=1, max_request_bytes=2_000)
    slot = gate.enter("a", 1)
    with pytest.raises(Overloaded) as refused:
        gate.enter("a", 1)

    assert 1 == gate.running
    slot.leave()
    assert 0 == gate.running
    assert refused.value.retry_after_s > 0


def test_closed_it_refuses_newcomers_only() -> None:
    gate = Admission(max_chats=2, max_request_bytes=2_000)
    gate.enter("a", 1)
    gate.close()
    with pytest.raises(ShuttingDown):
        gate.enter("b", 1)

    assert 1 == gate.running


@pytest.mark.parametrize("max_chats", [0, 1, 2, 7, 8, 9, 512])
def test_one_caller_alone_gets_all_and_no_more(max_chats: int) -> None:
    house = House(max_chats)

    assert max_chats == house.ask("a", 2 * max_chats + 1)


@pytest.mark.parametrize("max_chats", [1, 2, 8, 512])
def test_others_get_in_beside_one_who_has_all(max_chats: int) -> None:
    house = House(max_chats)
    _ = house.ask("greedy", 2 * max_chats)

    assert 1 == house.ask("other")
    assert 0 == house.ask("greedy")


def test_of_what_is_kept_each_gets_half_of_what_is_left() -> None:
    house = House(64)
    _ = house.ask("greedy", 100)

    assert [4, 2, 1, 1, 0] == [house.ask(name, 100) for name in "abcde"]
    assert 72 == house.gate.running


def test_what_the_greedy_one_leaves_goes_to_those_who_have_less() -> None:
    house = House(64)
    _ = house.ask("greedy", 100)
    fair = house.ask("a", 100)
    for _ in range(40):
        house.leave("greedy")
        fair += house.ask("a")
        _ = house.ask("greedy")

    assert 32 <= fair
    assert house.gate.running <= 72


def test_who_left_holds_nothing_any_more() -> None:
    house = House(2)
    for _ in range(3):
        assert 2 == house.ask("a", 3)
        house.leave("a")
        house.leave("a")

    assert 0 == house.gate.running


def test_requests_fill_it_by_their_bytes_and_leave_their_room_behind() -> None:
    gate = Admission(max_chats=9, max_request_bytes=10)
    slots = [gate.enter("a", 7)]
    with pytest.raises(Overloaded):
        gate.enter("b", 4)
    slots.append(gate.enter("b", 3))
    full_bytes = gate.request_bytes
    for slot in slots:
        slot.leave()
    gate.enter("a", 10).leave()

    assert 10 == full_bytes
    assert 0 == gate.request_bytes


async def test_it_is_empty_once_the_last_one_has_left_however_often() -> None:
    gate = Admission(max_chats=2, max_request_bytes=2)
    first, last = gate.enter("a", 1), gate.enter("a", 1)
    async with asyncio.TaskGroup() as group:
        empty = group.create_task(gate.empty())
        first.leave()
        first.leave()
        await asyncio.sleep(0)
        was_empty = empty.done()
        last.leave()

    assert not was_empty
    assert 0 == gate.running
