import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.cli.receipt import (
    describe_progress,
    receipt_of,
    receipt_of_failure,
    warn_of_sent_content,
)
from llmsvc_client.convert import to_progress, to_reply, to_route, to_usage
from llmsvc_client.errors import Code, Failure, LlmsvcError, StreamInterruptedError
from llmsvc_client.reply import ChatReply
from tests.fakes.scripted_answers import attempt, progress, response, route

UNAVAILABLE = 14
REMOTE = llm_pb2.LOCALITY_REMOTE


def answered(*attempts: llm_pb2.RouteAttempt) -> ChatReply:
    tried = route("ollama", llm_pb2.PROVIDER_KIND_OLLAMA, *attempts)
    return to_reply(response("secret", route_info=tried))


@pytest.mark.parametrize(
    ("tried", "line"),
    [
        (
            attempt("ollama", milliseconds=1234, content_sent=True),
            "attempt 1: ollama/phi3:mini (local): answered, 1234 ms, content sent",
        ),
        (
            attempt("ollama", "PROVIDER_UNREACHABLE", code=UNAVAILABLE, milliseconds=3),
            (
                "attempt 1: ollama/phi3:mini (local): failed, UNAVAILABLE PROVIDER_UNREACHABLE,"
                " 3 ms, no content sent"
            ),
        ),
        (
            attempt("openai", "BREAKER_OPEN", code=UNAVAILABLE, locality=REMOTE),
            (
                "attempt 1: openai/phi3:mini (remote): skipped, UNAVAILABLE BREAKER_OPEN,"
                " no content sent"
            ),
        ),
        (
            llm_pb2.RouteAttempt(target=llm_pb2.RouteTarget(provider="openai"), status_code=99),
            "attempt 1: openai (unknown): skipped, 99, no content sent",
        ),
    ],
)
def test_each_attempt_has_a_line(tried: llm_pb2.RouteAttempt, line: str) -> None:
    assert line == receipt_of(answered(tried))[0]


def test_privacy_usage_and_times_have_a_line_each() -> None:
    answer = response("secret")
    answer.usage.cached_input_tokens = 5
    answer.usage.cache_write_input_tokens = 0
    answer.usage.input_method = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    answer.usage.output_method = llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED
    answer.timings.total_duration.FromMilliseconds(1500)
    answer.timings.queue_duration.FromMilliseconds(0)
    answer.timings.model_load_duration.FromMilliseconds(700)

    assert [
        "privacy: cloud_allowed",
        "tokens: 12 read (5 from the cache, 0 into the cache, reported), 34 written (estimated)",
        "time: 1500 ms in all, 0 ms queued, 700 ms loading the model",
    ] == receipt_of(to_reply(answer))


def test_what_is_not_known_is_not_made_up() -> None:
    assert [
        "privacy: unknown",
        "tokens: unknown number read, unknown number written",
        "time: unknown",
    ] == receipt_of(to_reply(llm_pb2.ChatResponse()))


def test_warns_of_content_that_left_for_a_target_that_did_not_answer() -> None:
    failed = attempt(
        "openai", "PROVIDER_ERROR", code=UNAVAILABLE, content_sent=True, locality=REMOTE
    )
    at_home = attempt("ollama", milliseconds=1, content_sent=True)

    reply = answered(failed, failed, at_home)

    assert ["the content was also sent to openai/phi3:mini, which did not answer"] == (
        warn_of_sent_content(reply)
    )


def test_does_not_warn_of_content_that_stayed_or_answered() -> None:
    at_home = attempt("ollama", "PROVIDER_ERROR", code=UNAVAILABLE, content_sent=True)
    not_sent = attempt("openai", "PROVIDER_UNREACHABLE", code=UNAVAILABLE, locality=REMOTE)
    cloud = attempt("claude", milliseconds=1, content_sent=True, locality=REMOTE)

    assert [] == warn_of_sent_content(answered(at_home, not_sent, cloud))


def test_a_failure_has_a_receipt_too() -> None:
    tried = route("ollama", llm_pb2.PROVIDER_KIND_OLLAMA, attempt("ollama", milliseconds=1))
    failure = Failure(code=Code.ABORTED, message="Broken off.", route=to_route(tried))
    usage = to_usage(llm_pb2.Usage(output_tokens=3))

    lines = receipt_of_failure(StreamInterruptedError(failure, partial="secret", usage=usage))

    assert [
        "attempt 1: ollama/phi3:mini (local): answered, 1 ms, no content sent",
        "privacy: cloud_allowed",
        "tokens: unknown number read, 3 written",
    ] == lines


def test_a_failure_of_which_nothing_was_said_has_none() -> None:
    assert [] == receipt_of_failure(LlmsvcError(Failure(code=Code.UNAVAILABLE, message="Gone.")))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            progress(llm_pb2.StreamProgress.PHASE_QUEUED, 5),
            "waiting for a place at the server, 5 s",
        ),
        (
            progress(llm_pb2.StreamProgress.PHASE_LOADING_MODEL, 10, "ollama"),
            "the model is being loaded, ollama/phi3:mini, 10 s",
        ),
        (llm_pb2.ChatStreamResponse(progress=llm_pb2.StreamProgress()), "still working"),
    ],
)
def test_says_what_it_waits_for(event: llm_pb2.ChatStreamResponse, line: str) -> None:
    assert line == describe_progress(to_progress(event.progress))
