"""When a place is free: once the upstream is done, whoever still reads what it said."""

import asyncio
from contextlib import aclosing

from llmsvc_server.chat.events import Delta, Done, Phase, Waiting
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.endpoints import MODEL
from tests.unit.server.routing.pools import PoolBench, outcome, read

ANSWER = [Waiting(Phase.PROVIDER), Delta("hello"), done()]


async def test_once_the_whole_answer_has_come_nobody_waits_for_its_reader() -> None:
    bench = PoolBench()
    reading = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
    begun = [await anext(reading), await anext(reading)]
    turn = bench.one.inner.calls[0].limits.turn
    assert turn is not None
    turn.over()
    turn.over()
    left = bench.pool.in_flight

    assert ANSWER == await read(bench.pool)
    assert ANSWER == [*begun, *[event async for event in reading]]
    assert (0, 0) == (left, bench.pool.in_flight)


async def test_who_waits_gets_the_place_of_an_answer_that_has_come() -> None:
    bench = PoolBench()
    reading = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
    async with aclosing(reading), asyncio.TaskGroup() as group:
        begun = [await anext(reading), await anext(reading)]
        second = group.create_task(read(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        turn = bench.one.inner.calls[0].limits.turn
        assert turn is not None
        turn.over()
        await second

    assert ANSWER[:2] == begun
    assert [Waiting(Phase.QUEUED), *ANSWER[:2]] == second.result()[:3]


async def test_the_end_is_passed_on_once_the_place_is_free() -> None:
    bench = PoolBench()
    held = {}
    async with aclosing(bench.pool.stream_chat(chat_request(model=MODEL), limits_of())) as events:
        async for event in events:
            held[type(event)] = bench.pool.in_flight

    assert {Waiting: 1, Delta: 1, Done: 0} == held


async def test_a_trial_keeps_its_place_until_it_is_judged() -> None:
    bench = PoolBench()
    bench.one.inner.usually(ProviderError(ErrorKind.CONNECT, called=False))
    for _ in range(STREAK):
        await outcome(bench.pool)
    bench.one.inner.usually(Delta("hello"), done())
    bench.clock.advance(60)
    trial, after = await read(bench.pool), await read(bench.pool)

    assert [ANSWER, ANSWER] == [trial, after]
    on_trial, usual = (call.limits.turn for call in bench.one.inner.calls[-2:])
    assert on_trial is None
    assert usual is not None


async def test_an_answer_without_an_end_frees_its_place_too() -> None:
    bench = PoolBench()
    bench.one.inner.will(Delta("a"))

    assert [Waiting(Phase.PROVIDER), Delta("a")] == await read(bench.pool)
    assert 0 == bench.pool.in_flight
