import asyncio
import contextlib

import pytest

from llmsvc_server.errors import LlmsvcError, ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.line import Line
from llmsvc_server.routing.turns import Turns
from tests.fakes.eventually import eventually


class Bench:
    """A line in front of places that are numbers, and those that wait in it.

    A name's first letter is its caller.

    Attributes:
        free: The places that are free.
        served: Who got a place, in order.
        refused: What those got that did not.
    """

    def __init__(self, *free: int, most: int = 64) -> None:
        self.free = list(free)
        self.served: list[str] = []
        self.refused: dict[str, LlmsvcError] = {}
        self.turns = Turns()
        self.line = Line[int](self.turns, most=most, take=self._take, give_back=self.give_back)

    def give_back(self, place: int) -> None:
        self.free.append(place)
        if callers := self.line.callers:
            _ = self.line.serve(min(callers, key=self.turns.order))

    async def wait(self, name: str, patience_s: float = 60.0) -> None:
        try:
            _ = await self.line.wait(name[0], patience_s, retry_after_s=7)
        except LlmsvcError as error:
            self.refused[name] = error
        else:
            self.served.append(name)

    async def waiting(self, count: int) -> None:
        await eventually(lambda: self.line.waiting == count)

    async def all_wait(self, group: asyncio.TaskGroup, *names: str) -> list[asyncio.Task[None]]:
        """Let them come one after the other."""
        tasks = []
        for name in names:
            before = self.line.waiting
            tasks.append(group.create_task(self.wait(name)))
            await self.waiting(before + 1)
        return tasks

    def _take(self, caller: str) -> int | None:
        if not self.free:
            return None
        self.turns.begin(caller)
        self.turns.end(caller)
        return self.free.pop(0)


@pytest.mark.parametrize("names", [["a", "b", "c", "d", "e"], ["a1", "a2", "a3", "a4", "a5"]])
async def test_who_waits_longest_is_served_first(names: list[str]) -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        _ = await bench.all_wait(group, *names)
        for place in range(5):
            bench.give_back(place)

    assert names == bench.served
    assert 0 == bench.line.waiting


async def test_turns_go_round_callers_and_each_is_served_in_order() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        _ = await bench.all_wait(group, "a1", "a2", "a3", "b1", "b2", "c1")
        for place in range(6):
            bench.give_back(place)

    assert ["a1", "b1", "c1", "a2", "b2", "a3"] == bench.served


async def test_with_the_queue_full_the_newest_of_who_has_most_makes_room() -> None:
    bench = Bench(most=4)
    async with asyncio.TaskGroup() as group:
        _ = await bench.all_wait(group, "a1", "a2", "a3", "a4")
        asking = [group.create_task(bench.wait(name)) for name in ("b1", "b2", "b3", "a5")]
        await eventually(lambda: len(bench.refused) == 4)
        for place in range(4):
            bench.give_back(place)
        await asyncio.wait(asking)

    assert {"a4", "a3", "b3", "a5"} == bench.refused.keys()
    assert {ErrorKind.QUEUE_FULL.value} == set(map(str, bench.refused.values()))
    assert ["a1", "b1", "a2", "b2"] == bench.served


async def test_the_only_place_in_the_queue_goes_to_who_has_nothing_else() -> None:
    bench = Bench(most=1)
    bench.turns.begin("a")
    async with asyncio.TaskGroup() as group:
        _ = await bench.all_wait(group, "a1")
        _ = group.create_task(bench.wait("b1"))
        await eventually(lambda: "a1" in bench.refused)
        await bench.wait("a2")
        await bench.wait("c1")
        bench.give_back(1)

    assert {"a1", "a2", "c1"} == bench.refused.keys()
    assert ["b1"] == bench.served


async def test_room_that_a_leaver_has_left_is_taken_from_nobody() -> None:
    bench = Bench(most=3)
    async with asyncio.TaskGroup() as group:
        *_, leaving = await bench.all_wait(group, "a1", "a2", "a3")
        leaving.cancel()
        _ = group.create_task(bench.wait("b1"))
        await eventually(lambda: leaving.done() and bench.line.waiting == 3)
        for place in range(3):
            bench.give_back(place)

    assert {} == bench.refused
    assert ["a1", "b1", "a2"] == bench.served


async def test_a_place_that_is_free_already_is_taken_at_once() -> None:
    bench = Bench(1)
    await bench.wait("a")

    assert ["a"] == bench.served


@pytest.mark.parametrize(("most", "patience_s"), [(1, 60.0), (64, 0.0), (64, -1.0)])
async def test_too_many_or_too_little_patience_is_refused_at_once(
    most: int, patience_s: float
) -> None:
    bench = Bench(most=most)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.wait("a"))
        await bench.waiting(1)
        await bench.wait("b", patience_s)
        bench.give_back(1)
    error = bench.refused["b"]

    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.QUEUE_FULL
    assert (7, False, "queue", 0) == (
        error.retry_after_s,
        error.called,
        error.phase,
        error.requests,
    )
    assert ["a"] == bench.served


async def test_a_wait_in_vain_ends_with_its_patience() -> None:
    bench = Bench()
    await bench.wait("a", 0.01)

    assert ErrorKind.QUEUE_FULL.value == str(bench.refused["a"])
    assert 0 == bench.line.waiting


async def test_who_leaves_costs_the_others_nothing() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        leaving = [group.create_task(bench.wait(name)) for name in "ab"]
        _ = group.create_task(bench.wait("c"))
        await bench.waiting(3)
        for task in leaving:
            task.cancel()
        bench.give_back(1)
        await eventually(lambda: bench.served == ["c"])

    assert [] == bench.free
    assert 0 == bench.line.waiting


async def test_a_place_that_comes_in_the_moment_of_leaving_is_handed_on() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(bench.wait("a"))
        _ = group.create_task(bench.wait("b"))
        await bench.waiting(2)
        bench.give_back(1)
        leaving.cancel()

    assert ["b"] == bench.served
    assert [] == bench.free


async def test_a_place_that_nobody_else_wants_comes_back() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(bench.wait("a"))
        await bench.waiting(1)
        bench.give_back(1)
        leaving.cancel()

    assert [1] == bench.free


async def test_all_are_refused_each_with_an_error_of_its_own() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        for name in "ab":
            _ = group.create_task(bench.wait(name))
        await bench.waiting(2)
        bench.line.refuse(ShuttingDown)

    assert [ShuttingDown, ShuttingDown] == [type(error) for error in bench.refused.values()]
    assert bench.refused["a"] is not bench.refused["b"]
    assert 0 == bench.line.waiting


async def test_who_is_leaving_is_not_refused_as_well() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(bench.wait("a"))
        await bench.waiting(1)
        leaving.cancel()
        bench.line.refuse(ShuttingDown)
    with contextlib.suppress(asyncio.CancelledError):
        await leaving

    assert leaving.cancelled()
    assert {} == bench.refused


async def test_who_is_refused_in_the_moment_of_leaving_just_leaves() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(bench.wait("a"))
        await bench.waiting(1)
        bench.line.refuse(ShuttingDown)
        leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving

    assert leaving.cancelled()
    assert [] == bench.free
