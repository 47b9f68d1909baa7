from dataclasses import fields, replace
from typing import cast

from llmsvc_server.chat.deadline import AttemptLimits, Deadline, Turn
from tests.fakes.manual_clock import ManualClock


def test_the_time_left_shrinks_with_the_clock_and_is_never_negative() -> None:
    clock = ManualClock(100)
    deadline = Deadline(at_s=105, clock=clock)
    before = deadline.remaining_s()
    clock.advance(3)
    between = deadline.remaining_s()
    clock.advance(3)

    assert (5, 2, 0) == (before, between, deadline.remaining_s())


def test_capping_only_ever_makes_it_earlier() -> None:
    clock = ManualClock(100)
    deadline = Deadline(at_s=105, clock=clock)

    assert Deadline(at_s=102, clock=clock) == deadline.capped(2)
    assert Deadline(at_s=105, clock=clock) == deadline.capped(20)
    assert Deadline(at_s=100, clock=clock) == deadline.capped(0)


def test_a_cap_counts_from_now() -> None:
    clock = ManualClock(100)
    deadline = Deadline(at_s=105, clock=clock)
    clock.advance(4)

    assert Deadline(at_s=104.5, clock=clock) == deadline.capped(0.5)


def test_limits_for_a_turn_are_the_same_in_all_else() -> None:
    at = Deadline(at_s=105, clock=ManualClock(100))
    limits = AttemptLimits(
        finish_by=at,
        first_token_by=at.earlier(1),
        latest_first=at.earlier(2),
        fallback_follows=True,
        is_full_length=False,
        may_repeat=False,
        only_candidate=True,
    )
    turn = cast("Turn", object())

    # Else one that `during` forgets would go unnoticed.
    assert all(getattr(limits, one.name) != one.default for one in fields(limits)[:-1])
    assert replace(limits, turn=turn) == limits.during(turn)
