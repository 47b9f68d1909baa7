from llmsvc_server.chat.request import Delivery
from llmsvc_server.routing.pace import (
    REMEMBERED_ANSWERS,
    REMEMBERED_MODELS,
    REMEMBERED_PROMPTS,
    Pace,
)


def test_of_a_model_that_never_answered_only_the_least_is_known() -> None:
    pace = Pace(least_s=2)

    assert (2, 2) == (pace.least_s("m", Delivery.STREAM), pace.least_s("m", Delivery.WHOLE))
    assert 0 == pace.usual_first_s("m")
    assert 10 == pace.reading_s("m", 1_000)


def test_an_attempt_needs_what_answers_took_in_the_middle() -> None:
    pace = Pace(least_s=1)
    for first_token_s, total_s in ((2, 20), (4, 40), (90, 900)):
        pace.answered("m", first_token_s=first_token_s, total_s=total_s)

    assert (4, 40) == (pace.least_s("m", Delivery.STREAM), pace.least_s("m", Delivery.WHOLE))
    assert (4, 40) == (pace.usual_first_s("m"), pace.least_s("m", Delivery.WHOLE))


def test_never_less_than_the_least() -> None:
    pace = Pace(least_s=1)
    pace.answered("m", first_token_s=0.1, total_s=0.2)

    assert (1, 1) == (pace.least_s("m", Delivery.STREAM), pace.least_s("m", Delivery.WHOLE))


def test_the_slowest_of_the_last_prompts_is_what_reading_takes() -> None:
    pace = Pace(least_s=1)
    pace.read("m", tokens=100, took_s=3)
    pace.read("m", tokens=100, took_s=2)
    slowest_s = pace.reading_s("m", 1_000)
    for _ in range(REMEMBERED_PROMPTS):
        pace.read("m", tokens=100, took_s=2)

    assert (30, 20) == (slowest_s, pace.reading_s("m", 1_000))


def test_impossible_speeds_of_cached_prompts_are_not_believed() -> None:
    pace = Pace(least_s=1)
    pace.read("m", tokens=100_000, took_s=0.001)

    assert 10 == pace.reading_s("m", 1_000)


def test_silences_double_the_patience_up_to_eight_times_until_an_answer() -> None:
    pace = Pace(least_s=1)
    doubled_s = []
    for _ in range(5):
        pace.was_silent("m")
        doubled_s.append(pace.reading_s("m", 100))
    pace.answered("m", first_token_s=1, total_s=1)

    assert [2, 4, 8, 8, 8] == doubled_s
    assert 1 == pace.reading_s("m", 100)


def test_old_answers_are_forgotten() -> None:
    pace = Pace(least_s=1)
    pace.answered("m", first_token_s=1_000, total_s=1_000)
    for _ in range(2 * REMEMBERED_ANSWERS):
        pace.answered("m", first_token_s=3, total_s=5)

    assert REMEMBERED_ANSWERS == len(pace._models["m"].firsts_s)  # noqa: SLF001  memory is asked


def test_not_every_model_is_remembered_for_ever() -> None:
    pace = Pace(least_s=1)
    for number in range(2 * REMEMBERED_MODELS):
        pace.was_silent(f"model-{number}")

    assert REMEMBERED_MODELS == len(pace._models)  # noqa: SLF001  memory is what is asked
