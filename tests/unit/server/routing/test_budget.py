import pytest

from llmsvc_server.chat.request import Delivery
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.pace import Pace
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, limits_of


def patience(*, loaded: bool = True, reads_prompts: bool = True) -> Patience:
    return Patience(
        first_token_s=30.0,
        cold_s=300.0,
        is_loaded=lambda _model: loaded,
        pace=Pace(least_s=1.0),
        reads_prompts=reads_prompts,
    )


@pytest.mark.parametrize(
    ("loaded", "reads_prompts", "limit_s"),
    [(True, True, 60.0), (True, False, 30.0), (False, True, 300.0)],
)
def test_the_first_content_may_take(*, loaded: bool, reads_prompts: bool, limit_s: float) -> None:
    # 1000 tokens at 10 ms each, three times over, where reading shows.
    assert limit_s == patience(loaded=loaded, reads_prompts=reads_prompts).limit_s("m", 1000)


def test_an_attempt_needs_its_usual_first_content_and_never_less_than_half_a_second() -> None:
    given = patience()
    before_s = given.floor_s("m")
    given.pace.answered("m", first_token_s=4.0, total_s=9.0)

    assert (0.5, 4.0) == (before_s, given.floor_s("m"))


def test_what_is_left_for_it_depends_on_how_the_answer_is_taken() -> None:
    given = patience()
    given.pace.answered("m", first_token_s=4.0, total_s=9.0)

    assert (4.0, 9.0) == (given.least_s("m", Delivery.STREAM), given.least_s("m", Delivery.WHOLE))


@pytest.mark.parametrize(("waited_s", "left_s", "whole"), [(20.0, 30.0, True), (80.0, 20.0, False)])
def test_after_a_wait_the_patience_begins_anew_within_the_same_end(
    waited_s: float, left_s: float, *, whole: bool
) -> None:
    clock = ManualClock()
    limits = limits_of(100.0, first_token_s=30.0, clock=clock)
    clock.advance(waited_s)
    again = patience(reads_prompts=False).again(limits, chat_request(model="m"))

    assert left_s == again.first_token_by.remaining_s()
    assert whole is again.is_full_length
    assert limits.finish_by == again.finish_by
