"""When a place is free: once the upstream is done, whoever still reads what it said."""

import asyncio
from contextlib import aclosing

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.scripted_provider import done
from tests.unit.server.upstreams.upstreams import Bench

ANSWER = [Delta("hello"), done()]


async def test_once_the_whole_answer_has_come_nobody_waits_for_its_reader() -> None:
    bench = Bench(places=1)
    reading = bench.run()
    begun = [await anext(reading)]
    turn = bench.adapter.calls[0].limits.turn
    assert turn is not None
    turn.over()
    turn.over()
    left = bench.upstream.in_flight

    assert ANSWER == await bench.read()
    assert ANSWER == [*begun, *[event async for event in reading]]
    assert (0, 0) == (left, bench.upstream.in_flight)


async def test_who_waits_gets_the_place_of_an_answer_that_has_come() -> None:
    bench = Bench(places=1)
    reading = bench.run()
    async with aclosing(reading), asyncio.TaskGroup() as group:
        begun = [await anext(reading)]
        second = group.create_task(bench.read())
        await eventually(lambda: bench.waiting() == 1)
        turn = bench.adapter.calls[0].limits.turn
        assert turn is not None
        turn.over()
        await second

    assert ANSWER[:1] == begun
    assert ANSWER[:1] == second.result()[:1]


async def test_the_end_is_passed_on_once_the_place_is_free() -> None:
    bench = Bench(places=1)
    held = {}
    async with aclosing(bench.run()) as events:
        async for event in events:
            held[type(event)] = bench.upstream.in_flight

    assert {Delta: 1, Done: 0} == held


async def test_a_probe_keeps_its_place_until_it_is_judged() -> None:
    bench = Bench(places=1)
    bench.adapter.usually(ProviderError(ErrorKind.CONNECT, called=False))
    for _ in range(STREAK):
        await bench.outcome()
    bench.adapter.usually(Delta("hello"), done())
    bench.clock.advance(60)
    probe, after = await bench.read(), await bench.read()

    assert [ANSWER, ANSWER] == [probe, after]
    on_probe, usual = (call.limits.turn for call in bench.adapter.calls[-2:])
    assert on_probe is None
    assert usual is not None


async def test_an_answer_without_an_end_frees_its_place_too() -> None:
    bench = Bench(places=1)
    bench.adapter.will(Delta("a"))

    assert [Delta("a")] == await bench.read()
    assert 0 == bench.upstream.in_flight
