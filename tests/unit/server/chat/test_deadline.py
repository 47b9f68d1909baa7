from llmsvc_server.chat.deadline import Deadline
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
