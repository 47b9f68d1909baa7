import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.cli.render import (
    describe_adjustments,
    describe_answer,
    describe_failure,
)
from llmsvc_client.convert import to_reply, to_route
from llmsvc_client.errors import Code, Failure, InvalidRequestError, LlmsvcError, Violation
from llmsvc_client.reply import ChatReply
from tests.fakes.scripted_answers import response, route


def reply(**changes: object) -> ChatReply:
    answer = response("secret")
    answer.MergeFrom(llm_pb2.ChatResponse(**changes))  # type: ignore[arg-type]  # fields by name
    return to_reply(answer)


def failure(
    code: Code,
    message: str = "A sentence.",
    reason: str = "",
    retry_after_s: float | None = None,
    **metadata: str,
) -> LlmsvcError:
    return LlmsvcError(
        Failure(
            code=code,
            message=message,
            reason=reason,
            retry_after_s=retry_after_s,
            metadata=metadata,
        )
    )


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "12 tokens read, 34 written, complete (request req-1)"),
        ({"finish_reason": llm_pb2.FINISH_REASON_MAX_TOKENS}, "CUT at the limit"),
        ({"finish_reason": llm_pb2.FINISH_REASON_CONTEXT_LENGTH}, "context window was full"),
        ({"finish_reason": llm_pb2.FINISH_REASON_CONTENT_FILTER}, "CUT by the provider's"),
        ({"finish_reason": llm_pb2.FINISH_REASON_REFUSAL}, "the model declined"),
        ({"finish_reason": llm_pb2.FINISH_REASON_STOP_SEQUENCE}, "ended at a stop sequence"),
        (
            {"finish_reason": llm_pb2.FINISH_REASON_OTHER, "provider_finish_reason": "odd"},
            "ended: odd",
        ),
        ({"finish_reason": llm_pb2.FINISH_REASON_OTHER}, "ended: reason unknown"),
    ],
)
def test_says_who_answered_and_how_it_ended(changes: dict[str, object], end: str) -> None:
    line = describe_answer(reply(**changes))

    assert line.startswith("phi3:mini, ollama (local), ")
    assert end in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (llm_pb2.Usage(), "tokens unknown"),
        (llm_pb2.Usage(input_tokens=0), "0 tokens read, ? written"),
    ],
)
def test_does_not_make_up_counts(usage: llm_pb2.Usage, shown: str) -> None:
    answer = llm_pb2.ChatResponse(usage=usage, route=route())

    assert shown in describe_answer(to_reply(answer))


def test_says_that_a_mock_answered() -> None:
    canned = response("x", route_info=route("demo", llm_pb2.PROVIDER_KIND_MOCK))

    line = describe_answer(to_reply(canned))

    assert "CANNED ANSWER: no model ran" in line
    assert "demo" in line


@pytest.mark.parametrize("locality", [llm_pb2.LOCALITY_REMOTE, llm_pb2.LOCALITY_UNSPECIFIED])
def test_says_loudly_that_an_answer_may_come_from_outside(
    locality: llm_pb2.Locality.ValueType,
) -> None:
    cloud = route("openai", llm_pb2.PROVIDER_KIND_OPENAI, locality=locality)

    line = describe_answer(to_reply(response("x", route_info=cloud)))

    assert line.startswith("REMOTE ANSWER: phi3:mini, openai (")


def test_says_what_was_not_run_as_asked() -> None:
    adjustment = llm_pb2.Adjustment(
        field="generation_config.seed",
        action=llm_pb2.Adjustment.ACTION_IGNORED,
        description="Not known there.",
    )

    assert ["ignored: generation_config.seed: Not known there."] == describe_adjustments(
        reply(adjustments=[adjustment])
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            failure(Code.UNAVAILABLE, "connection refused"),
            (
                "llmsvc: no answer from there:1: connection refused. Is llmsvc-server running there?"
                " Name another with --address. [UNAVAILABLE]"
            ),
        ),
        (
            failure(Code.UNAVAILABLE, reason="SERVER_DRAINING", retry_after_s=0.1),
            "llmsvc: A sentence. Try again in 0.1 s. [UNAVAILABLE SERVER_DRAINING]",
        ),
        (
            failure(Code.NOT_FOUND, reason="MODEL_NOT_FOUND"),
            (
                "llmsvc: A sentence. Name another with --model, or leave it out for the default."
                " [NOT_FOUND MODEL_NOT_FOUND]"
            ),
        ),
        (
            failure(Code.UNIMPLEMENTED, "Method not found!"),
            (
                "llmsvc: Method not found! Is that an llmsvc server at there:1? Name another with"
                " --address. [UNIMPLEMENTED]"
            ),
        ),
        (
            failure(Code.NOT_FOUND, reason="PROVIDER_NOT_FOUND"),
            "llmsvc: A sentence. Name another with --target. [NOT_FOUND PROVIDER_NOT_FOUND]",
        ),
        (
            failure(Code.FAILED_PRECONDITION, reason="ROUTE_FORBIDDEN", cause="request"),
            (
                "llmsvc: A sentence. Leave out --local-only, or name a local --target."
                " [FAILED_PRECONDITION ROUTE_FORBIDDEN]"
            ),
        ),
        (
            failure(Code.FAILED_PRECONDITION, reason="ROUTE_FORBIDDEN", cause="operator"),
            (
                "llmsvc: A sentence. The server's operator allows local targets only."
                " [FAILED_PRECONDITION ROUTE_FORBIDDEN]"
            ),
        ),
        (
            failure(Code.UNAVAILABLE, reason="PROVIDER_TIMEOUT", failoverBlocked="privacy"),
            (
                "llmsvc: A sentence. The privacy policy kept further targets away."
                " [UNAVAILABLE PROVIDER_TIMEOUT]"
            ),
        ),
    ],
)
def test_a_failure_comes_with_its_remedy(error: LlmsvcError, line: str) -> None:
    assert [line] == describe_failure(error, "there:1")


def test_several_refused_fields_have_a_line_each() -> None:
    error = InvalidRequestError(
        Failure(code=Code.INVALID_ARGUMENT, message="model: Too long (and 1 more)"),
        violations=[
            Violation("model", "TOO_LONG", "At most 256 bytes."),
            Violation("messages", "MISSING", "Give one."),
        ],
    )

    assert ["  model: At most 256 bytes.", "  messages: Give one."] == describe_failure(error, "")[
        1:
    ]


def test_who_named_no_model_is_not_told_to_leave_it_out() -> None:
    error = failure(Code.NOT_FOUND, reason="MODEL_NOT_FOUND")
    error.route = to_route(llm_pb2.RouteInfo(requested_model=""))
    (line,) = describe_failure(error, "there:1")

    assert "Name another with --model. [" in line
