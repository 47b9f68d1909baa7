import pytest

from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.route import Attempt, Locality, ProviderInfo, ProviderKind, Route
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.headers import (
    compact_route,
    initial_metadata,
    trailing_metadata,
    without_middle,
)
from tests.fakes.receipts import receipt_of
from tests.unit.server.rpc.failures import FAILED, SKIPPED, attempt, trail_of

CLOUD = ProviderInfo(name="cloud", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)


def call_of(*attempts: Attempt) -> Call:
    return Call(
        method="/m",
        request_id="req-1",
        began_s=5.0,
        finish_by=Deadline(at_s=7.5, clock=lambda: 5.0),
        limit_s=None,
        receipt=receipt_of(*attempts),
    )


def answered_by(model: str) -> Attempt:
    return attempt(provider=CLOUD, model=model, elapsed_s=0.25)


def route_of(model: str) -> Route:
    answered = answered_by(model)
    return Route(provider=CLOUD, model=model, trail=trail_of(SKIPPED, answered))


def test_the_headers_say_who_answers_from_where_after_how_many() -> None:
    expected = {
        "x-request-id": "req-1",
        "x-llmsvc-deadline-ms": "2500",
        "x-llmsvc-provider": "cloud",
        "x-llmsvc-model": "gpt-5:2026",
        "x-llmsvc-locality": "remote",
        "x-llmsvc-attempts": "2",
    }

    assert expected == dict(initial_metadata(call_of(), route_of("gpt-5:2026")))


def test_before_anybody_answers_they_say_what_is_known() -> None:
    expected = {"x-request-id": "req-1", "x-llmsvc-deadline-ms": "2500"}

    assert expected == dict(initial_metadata(call_of(), None))


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("hf.co/someone/a_model-7b:Q4_K_M", "hf.co/someone/a_model-7b:Q4_K_M"),
        ("é", "%C3%A9"),
        ("50%", "50%25"),
        ("a b\r\n\x00", "a%20b%0D%0A%00"),
    ],
)
def test_headers_are_ascii_whatever_a_model_is_called(model: str, sent: str) -> None:
    assert sent == dict(initial_metadata(call_of(), route_of(model)))["x-llmsvc-model"]


def test_the_trailer_holds_the_attempts_with_outcome_and_time() -> None:
    skipped = attempt(
        "UNAVAILABLE", "BREAKER_OPEN", provider=CLOUD, model="a", elapsed_s=None, content_sent=False
    )
    failed = attempt("UNAVAILABLE", "PROVIDER_ERROR", provider=CLOUD, model="b;,%", elapsed_s=1.5)
    answered = attempt(provider=CLOUD, model="c", elapsed_s=0.0424)
    expected = "cloud/a;BREAKER_OPEN,cloud/b%3B%2C%25;PROVIDER_ERROR;1500,cloud/c;OK;42"

    assert expected == compact_route(trail_of(skipped, failed, answered))


@pytest.mark.parametrize("attempts", [0, 1, 2, 3, 40])
def test_the_trailer_is_short_however_many_and_however_long(attempts: int) -> None:
    text = compact_route(trail_of(*[FAILED] * attempts))

    assert len(text) <= 1024
    assert len(text.split(",")) >= min(attempts, 2)
    assert text.isascii()


def test_without_an_answer_the_trailer_is_the_request_id() -> None:
    assert (("x-request-id", "req-1"),) == trailing_metadata(call_of())


def test_a_whole_answer_says_at_its_end_what_a_stream_said_before() -> None:
    call = call_of(SKIPPED, answered_by("m"))
    whole = trailing_metadata(call)
    call.committed = True
    of_stream = trailing_metadata(call)

    assert ["x-request-id", "x-llmsvc-route"] == [key for key, _ in of_stream]
    assert (*initial_metadata(call, route_of("m")), of_stream[-1]) == whole


@pytest.mark.parametrize(
    ("kept", "expected"),
    [(9, "abcde"), (5, "abcde"), (4, "abde"), (3, "abe"), (2, "ae"), (1, "a"), (0, "")],
)
def test_the_middle_goes_first(kept: int, expected: str) -> None:
    assert expected == "".join(without_middle("abcde", kept))
