import json
from typing import Any

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.cli.as_json import failure_json, reply_json
from llmsvc_client.convert import to_reply, to_route, to_usage
from llmsvc_client.errors import (
    Code,
    Failure,
    InvalidRequestError,
    LlmsvcError,
    ServerError,
    StreamInterruptedError,
    Violation,
)
from tests.fakes.scripted_answers import attempt, response, route

OUT_OF_RANGE_S = 10**15
FALLEN_OVER = route(
    "openai",
    llm_pb2.PROVIDER_KIND_OPENAI,
    attempt("ollama", "PROVIDER_UNREACHABLE", code=14, milliseconds=3),
    attempt("openai", milliseconds=800, content_sent=True),
    locality=llm_pb2.LOCALITY_REMOTE,
)


def read(error: LlmsvcError) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(failure_json(error))["error"]
    return found


def test_an_answer_is_one_line_of_ascii() -> None:
    shown = reply_json(to_reply(response("grüß\x1b\x9b\n")))

    assert shown.isascii()
    assert "\x1b" not in shown
    assert 1 == shown.count("\n")
    assert "grüß\x1b\x9b\n" == json.loads(shown)["message"]["parts"][0]["text"]


def test_an_answer_tells_what_was_tried() -> None:
    answer = json.loads(reply_json(to_reply(response("x", route_info=FALLEN_OVER))))

    assert "PRIVACY_MODE_CLOUD_ALLOWED" == answer["route"]["effectivePrivacyMode"]
    assert [
        {
            "target": {"provider": "ollama", "model": "phi3:mini"},
            "locality": "LOCALITY_LOCAL",
            "statusCode": 14,
            "reason": "ERROR_REASON_PROVIDER_UNREACHABLE",
            "elapsedDuration": "0.003s",
        },
        {
            "target": {"provider": "openai", "model": "phi3:mini"},
            "locality": "LOCALITY_LOCAL",
            "elapsedDuration": "0.800s",
            "contentSent": True,
        },
    ] == answer["route"]["attempts"]


def test_an_answer_that_json_cannot_hold_is_an_error_of_the_server() -> None:
    answer = response("secret")
    answer.timings.total_duration.seconds = OUT_OF_RANGE_S

    with pytest.raises(ServerError, match="JSON") as caught:
        reply_json(to_reply(answer))

    assert "req-1" == caught.value.request_id
    assert "secret" not in str(caught.value)


def test_a_failure_leaves_out_what_is_not_known() -> None:
    error = LlmsvcError(Failure(code=Code.INTERNAL, message="A sentence."))

    assert {"code": "INTERNAL", "message": "A sentence.", "retryable": False} == read(error)


def test_a_failure_names_the_refused_fields() -> None:
    error = InvalidRequestError(
        Failure(code=Code.INVALID_ARGUMENT, message="Refused."),
        violations=[Violation("messages", "MISSING", "Give one.")],
    )

    assert [{"field": "messages", "reason": "MISSING", "description": "Give one."}] == (
        read(error)["violations"]
    )


def test_a_failure_tells_what_was_tried_and_used() -> None:
    failure = Failure(code=Code.ABORTED, message="Broken off.", route=to_route(FALLEN_OVER))
    error = StreamInterruptedError(
        failure, partial="secret", usage=to_usage(llm_pb2.Usage(output_tokens=3))
    )

    found = read(error)

    assert ["ollama", "openai"] == [
        each["target"]["provider"] for each in found["route"]["attempts"]
    ]
    assert {"outputTokens": 3} == found["usage"]
    assert "secret" not in str(found)


def test_a_failure_is_told_even_if_its_details_are_no_good() -> None:
    broken = attempt("ollama")
    broken.elapsed_duration.seconds = OUT_OF_RANGE_S
    tried = to_route(llm_pb2.RouteInfo(attempts=[broken]))

    found = read(LlmsvcError(Failure(code=Code.UNAVAILABLE, message="Gone.", route=tried)))

    assert {"code": "UNAVAILABLE", "message": "Gone.", "retryable": True} == found
