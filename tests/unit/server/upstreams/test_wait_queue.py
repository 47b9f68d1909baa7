"""The queue as a collection: who waits, whose turn it is, who makes room."""

import pytest

from llmsvc_server.errors import ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.latency import LatencyStats
from llmsvc_server.upstreams.wait_queue import Waiter, WaitQueue
from tests.fakes.requests import limits_of
from tests.fakes.upstreams import settings


def queue(max_queued: int = 64) -> WaitQueue:
    return WaitQueue(settings(max_queued=max_queued), LatencyStats(0))


def join(one: WaitQueue, caller: str, model: str = "m") -> Waiter:
    return one.join(model, caller, limits_of(fallback_follows=True))


async def test_turns_of_one_model_go_round_callers_each_in_order() -> None:
    one = queue()
    first, second, other = join(one, "g"), join(one, "g"), join(one, "a")
    served = []
    for _ in range(3):
        waiter = one.next_of(["m"])
        one.begin("m", waiter.caller, 0.0)
        one.leave(waiter)
        served.append(waiter)

    assert [other, first, second] == served
    assert () == one.models


async def test_of_several_models_the_caller_with_least_comes_first() -> None:
    one = queue()
    one.begin("m", "g", 0.0)
    waiting = join(one, "g", "n"), join(one, "a", "m")

    assert waiting[1] is one.next_of(["n", "m"])
    assert ["m", "n"] == sorted(one.models)


async def test_it_is_bounded_for_each_model() -> None:
    one = queue(max_queued=1)
    join(one, "g")
    join(one, "g", "n")
    with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL) as full:
        join(one, "g")

    assert (1, False, "queue") == (
        full.value.retry_after_s,
        full.value.called,
        full.value.phase,
    )


async def test_in_a_full_queue_the_newest_of_who_has_most_makes_room() -> None:
    one = queue(max_queued=2)
    older, newer = join(one, "g"), join(one, "g")
    came = join(one, "a")
    with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL):
        await newer.wait()

    assert [older, came] == list(one.waiters("m"))


@pytest.mark.parametrize("max_queued", [0, 1])
async def test_nobody_makes_room_for_who_has_as_many(max_queued: int) -> None:
    one = queue(max_queued)
    if max_queued:
        join(one, "g")
    with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL):
        join(one, "a")


async def test_who_has_no_time_to_wait_does_not() -> None:
    one = queue()
    with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL):
        one.join("m", "a", limits_of(0.5))

    assert 0 == len(one.waiters("m"))


async def test_who_is_sent_away_learns_why_and_leaving_again_does_nothing() -> None:
    one = queue()
    waiter = join(one, "g")
    one.send_away(waiter, ShuttingDown())
    one.leave(waiter)
    with pytest.raises(ShuttingDown):
        await waiter.wait()

    assert waiter.unclaimed is None
    assert 0 == len(one.waiters("m"))


async def test_a_wait_grows_with_the_queue_and_shrinks_with_what_runs() -> None:
    one = queue()
    none = one.wait_s("m")
    for _ in range(4):
        join(one, "g")
    alone = one.wait_s("m")
    for _ in range(2):
        one.begin("m", "g", 0.0)
    said = repr(one)
    one.end("m", "g")

    assert (0, 4, 4) == (none, alone, one.wait_s("m"))
    assert "<WaitQueue: m 4 wait 2 run>" == said


async def test_who_is_leaving_already_is_not_sent_away() -> None:
    one = queue()
    waiter = join(one, "g")
    waiter.lease.cancel()
    one.send_away(waiter, ShuttingDown())

    assert waiter.lease.cancelled()
    assert waiter.unclaimed is None
