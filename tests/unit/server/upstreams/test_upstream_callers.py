"""Turns go round callers, whatever each of them asks for."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from llmsvc_server.failures import ErrorKind
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import Bench

Outcome = asyncio.Task[ErrorKind | str]


class Crowd:
    """Callers of one pool whose answers wait until all of them have asked.

    Attributes:
        bench: The pool.
        ends: What became of each chat.
    """

    def __init__(self, bench: Bench, group: asyncio.TaskGroup) -> None:
        self.bench = bench
        self.ends: dict[str, list[Outcome]] = {}
        self._group = group
        self._models = {MODEL}
        self._gate = Gate()
        bench.adapter.usually(self._gate, done())

    @property
    def served(self) -> list[tuple[str, str]]:
        """Caller and model of each chat that ran, in order."""
        calls = self.bench.adapter.calls
        return [(call.request.caller, call.request.model) for call in calls]

    async def ask(self, caller: str, *models: str) -> None:
        """Ask for each model, one chat after the other."""
        for model in models:
            self._models.add(model)
            self.bench.facts[0].known.add(model)
            asking = self._group.create_task(self.bench.outcome(model, caller=caller))
            self.ends.setdefault(caller, []).append(asking)
            await self._settled()

    async def _settled(self) -> None:
        asked = sum(map(len, self.ends.values()))
        await eventually(lambda: asked == self._gate.waiting + self._waiting() + self._over())

    def _waiting(self) -> int:
        return sum(self.bench.waiting(model) for model in self._models)

    def _over(self) -> int:
        return sum(one.done() for ends in self.ends.values() for one in ends)

    def open(self) -> None:
        """Let every answer come."""
        self._gate.open()


@asynccontextmanager
async def crowd(bench: Bench) -> AsyncIterator[Crowd]:
    """Give a crowd; answers come when the block ends."""
    async with asyncio.TaskGroup() as group:
        here = Crowd(bench, group)
        yield here
        here.open()


def callers(served: Iterable[tuple[str, str]]) -> str:
    return "".join(caller for caller, _ in served)


async def test_who_comes_later_is_next_and_then_turns_alternate() -> None:
    async with crowd(Bench(places=1)) as here:
        await here.ask("g", *[MODEL] * 5)
        await here.ask("a", *[MODEL] * 3)

    assert "gagagagg" == callers(here.served)


async def test_who_names_many_models_gets_no_more_turns() -> None:
    async with crowd(Bench(places=1)) as here:
        await here.ask("g", *[f"m{number}" for number in range(8)])
        await here.ask("a", *["m0"] * 3)

    assert "gagagagggg" + "g" == callers(here.served)


async def test_of_a_callers_models_the_one_served_longest_ago_is_next() -> None:
    async with crowd(Bench(places=1)) as here:
        await here.ask("g", "m0", "m0", "m0", "m1")

    assert ["m0", "m1", "m0", "m0"] == [model for _, model in here.served]


async def test_places_that_come_free_together_go_round_callers() -> None:
    bench = Bench(places=4)
    async with crowd(bench) as here:
        leases = [bench.endpoint.lease("other", "") for _ in range(4)]
        await here.ask("g", "m0", "m1", "m2", "m3", "m4", "m5")
        await here.ask("a", "m0", "m1")
        for lease in leases:
            bench.endpoint.free(lease)
        bench.upstream.take_poll("", seen=False)
        await eventually(lambda: len(here.served) == 4)

        assert 2 == callers(here.served).count("a")


async def test_a_full_queue_has_room_for_who_has_less() -> None:
    async with crowd(Bench(places=1, max_queued=3)) as here:
        await here.ask("g", *[MODEL] * 5)
        await here.ask("a", MODEL, MODEL)

    assert ["answer", "answer"] == [one.result() for one in here.ends["a"]]
    assert ["answer", "answer", *[ErrorKind.QUEUE_FULL] * 3] == [
        one.result() for one in here.ends["g"]
    ]


async def test_a_caller_alone_has_all_places_and_the_whole_queue() -> None:
    async with crowd(Bench(places=2, max_queued=3)) as here:
        await here.ask("g", *[MODEL] * 5)

    assert ["answer"] * 5 == [one.result() for one in here.ends["g"]]


async def test_when_all_have_gone_nobody_is_remembered_to_wait() -> None:
    bench = Bench(places=2)
    async with crowd(bench) as here:
        await here.ask("g", *[MODEL] * 4)
        await here.ask("a", MODEL, "m1")
        for one in here.ends["a"]:
            one.cancel()

    assert 0 == bench.waiting() == bench.waiting("m1") == bench.upstream.in_flight
    assert "gggg" == callers(here.served)
