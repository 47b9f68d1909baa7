import asyncio

import pytest

from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.inflight import InFlight
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import in_s


def a_call(length_s: float = 60) -> Call:
    finish_by = in_s(length_s)
    return Call(
        method="/x/Y",
        request_id="r",
        began_s=0,
        finish_by=finish_by,
        limit_s=None,
        receipt=Receipt(finish_by.clock),
    )


async def run(in_flight: InFlight, call: Call, closing: Gate | None = None) -> str:
    """Stay registered until ended; then, where there is such a gate, until it is open."""
    limit = in_flight.enter(call)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if closing is not None:
            await closing.passed()
    return "expired" if in_flight.leave(limit) else "left"


async def test_calls_are_counted_while_they_run() -> None:
    in_flight = InFlight()
    limits = [in_flight.enter(a_call()) for _ in range(2)]
    inside = len(in_flight)
    for limit in limits:
        assert not in_flight.leave(limit)

    assert (2, 0) == (inside, len(in_flight))


async def test_empty_returns_once_the_last_call_is_over() -> None:
    in_flight = InFlight()
    await in_flight.empty()
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(run(in_flight, a_call())) for _ in range(2)]
        await eventually(lambda: len(in_flight) == 2)
        waiting = group.create_task(in_flight.empty())
        runs[0].cancel()
        await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
        describe_progress = not waiting.done()
        runs[1].cancel()

    assert describe_progress
    assert waiting.done()


async def test_expiring_ends_every_call_and_marks_it() -> None:
    in_flight, calls = InFlight(), [a_call() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(run(in_flight, call)) for call in calls]
        await eventually(lambda: len(in_flight) == 3)
        in_flight.expire()

    assert ["expired"] * 3 == [one.result() for one in runs]
    assert all(call.draining for call in calls)


async def test_a_call_that_comes_after_that_is_ended_too() -> None:
    in_flight, call = InFlight(), a_call()
    in_flight.expire()

    assert "expired" == await run(in_flight, call)
    assert call.draining


async def test_closing_ends_the_calls_alone_whose_requests_have_not_arrived() -> None:
    in_flight, arrived, arriving = InFlight(), a_call(), a_call()
    arrived.has_arrived = True
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(in_flight, arrived))
        given_up = group.create_task(run(in_flight, arriving))
        await eventually(lambda: len(in_flight) == 2)
        in_flight.close()
        outcome = await given_up
        still_runs = len(in_flight) == 1
        running.cancel()

    assert "expired" == outcome
    assert still_runs
    assert (False, True) == (arrived.draining, arriving.draining)


async def test_a_request_that_begins_to_arrive_after_that_is_given_up_too() -> None:
    in_flight, call = InFlight(), a_call()
    in_flight.close()

    assert "expired" == await run(in_flight, call)
    assert call.draining


async def test_expiring_again_does_no_harm_to_calls_on_their_way_out() -> None:
    in_flight, closing = InFlight(), Gate()
    slow, new = a_call(), a_call()
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(run(in_flight, slow, closing))]
        await eventually(lambda: len(in_flight) == 1)
        in_flight.expire()
        await closing.reached()
        runs.append(group.create_task(run(in_flight, new)))
        await eventually(lambda: new.draining)
        in_flight.expire()
        closing.open()

    assert ["expired"] * 2 == [one.result() for one in runs]


async def test_a_call_whose_own_time_ran_out_first_is_not_told_of_a_drain() -> None:
    in_flight, call = InFlight(), a_call(length_s=0)

    limit = in_flight.enter(call)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    in_flight.expire()

    assert in_flight.leave(limit)
    assert not call.draining


async def test_a_late_call_that_ends_by_itself_meets_no_cancel_afterwards() -> None:
    in_flight, call, other = InFlight(), a_call(), asyncio.Event()
    in_flight.expire()
    was_over = in_flight.leave(in_flight.enter(call))
    asyncio.get_running_loop().call_later(0.01, other.set)

    assert await other.wait()
    assert not was_over
