import dataclasses
import re
from typing import TYPE_CHECKING, cast

import pytest

from llmsvc_server.rpc.callinfo import Call, TimeLimits, call_from
from tests.fakes.manual_clock import ManualClock

if TYPE_CHECKING:
    from llmsvc_server.rpc.door.interface import Context

Metadata = tuple[tuple[str, str | bytes], ...]
LIMITS = TimeLimits(default_s=120, cap_s=1800)


@dataclasses.dataclass
class Arrived:
    """What of a context is read at entry: the time left in seconds, None without a deadline."""

    left_s: float | None = None
    metadata: Metadata | None = ()

    def peer(self) -> str:
        return "ipv4:10.0.0.7:50612"

    def time_remaining(self) -> float | None:
        return self.left_s

    def invocation_metadata(self) -> Metadata | None:
        return self.metadata


def arrive(
    left_s: float | None = None,
    metadata: Metadata | None = (),
    *,
    limits: TimeLimits = LIMITS,
) -> Call:
    context = cast("Context", Arrived(left_s, metadata))
    return call_from(context, "/llmsvc.v1.LLMService/Chat", limits, ManualClock(0))


@pytest.mark.parametrize(
    ("asked_s", "finish_by_s", "limit_s"),
    [
        (None, 119.85, 120),
        (10, 9.85, None),
        (1800, 1799.85, None),
        (1800.1, 1799.85, 1800),
        (1e9, 1799.85, 1800),
        (0.75, 0.6, None),
        (0.5, 0.4, None),
        (0.1, 0.08, None),
        (0, 0, None),
        (-5, 0, None),
    ],
)
def test_the_work_ends_a_reserve_before_whichever_time_ends_first(
    asked_s: float | None, finish_by_s: float, limit_s: float | None
) -> None:
    call = arrive(asked_s)

    assert pytest.approx(finish_by_s) == call.finish_by.remaining_s()
    assert limit_s == call.limit_s


def test_the_callers_deadline_may_be_longer_than_our_default_but_not_than_the_cap() -> None:
    limits = TimeLimits(default_s=1, cap_s=100)

    assert pytest.approx(49.85) == arrive(50, limits=limits).finish_by.remaining_s()
    assert pytest.approx(0.85) == arrive(None, limits=limits).finish_by.remaining_s()


def test_the_time_is_a_point_on_the_clock_it_began_on() -> None:
    clock = ManualClock(500)
    call = call_from(cast("Context", Arrived(10)), "/x/Y", LIMITS, clock)
    clock.advance(4)

    assert 500 == call.began_s
    assert pytest.approx(5.85) == call.finish_by.remaining_s()


@pytest.mark.parametrize("request_id", ["a", "a" * 64, "A-b_c.9", "0"])
def test_a_valid_request_id_is_kept(request_id: str) -> None:
    assert request_id == arrive(metadata=(("x-request-id", request_id),)).request_id


@pytest.mark.parametrize(
    "value",
    ["", "a" * 65, "a b", "a\n", "\n", "ü", "a/b", "a,b", b"abc", b"\xff"],
)
def test_any_other_is_replaced_by_one_of_ours(value: str | bytes) -> None:
    request_id = arrive(metadata=(("x-request-id", value),)).request_id

    assert re.fullmatch("[0-9a-f]{16}", request_id)


@pytest.mark.parametrize(
    "metadata", [None, (), (("other", "abc"),), (("x-request-id-bin", b"abc"),)]
)
def test_without_one_ours_is_made_anew_each_time(metadata: Metadata | None) -> None:
    first, second = arrive(metadata=metadata), arrive(metadata=metadata)

    assert re.fullmatch("[0-9a-f]{16}", first.request_id)
    assert first.request_id != second.request_id


def test_of_several_the_first_valid_one_counts() -> None:
    key = "x-request-id"
    call = arrive(metadata=((key, "not valid"), (key, b"raw"), (key, "one"), (key, "two")))

    assert "one" == call.request_id


def test_who_asks_is_the_host_and_is_shown_to_nobody() -> None:
    call = arrive()

    assert "10.0.0.7" == call.caller
    assert "10.0.0.7" not in repr(call)
    assert "<Receipt: nothing tried>" in repr(call)


def test_a_call_begins_with_nothing_done() -> None:
    call = arrive(5)

    assert not call.draining
    assert not call.committed
    assert (None, None, None, 0) == (
        call.receipt.route,
        call.usage,
        call.measure().first_content_s,
        call.messages_sent,
    )
