"""Refusals and answers that say nothing, over the wire: what a caller gets, and may send back."""

import json
from collections.abc import Sequence

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta, Done, pieces_of
from llmsvc_server.chat.parts import Part, Refusal
from llmsvc_server.chat.usage import FinishReason
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import told
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done
from tests.fakes.tool_requests import asked

DECLINED = done(finish_reason=FinishReason.REFUSAL)
STEPS: Sequence[Delta | Done] = (
    Delta("Well. "),
    pieces_of([Refusal(text="I can't")]),
    pieces_of([Refusal(text=" do that."), "Sorry."]),
    DECLINED,
)
PARTS = [
    llm_pb2.ContentPart(text="Well. "),
    llm_pb2.ContentPart(refusal="I can't do that."),
    llm_pb2.ContentPart(text="Sorry."),
]


def after(answer: llm_pb2.Message) -> llm_pb2.ChatRequest:
    """Return the request that goes on after an answer."""
    request = chat_message()
    request.messages.append(answer)
    request.messages.append(chat_message("go on").messages[0])
    return request


def sent(served: ServedElsewhere) -> tuple[Part, ...]:
    """Return the parts of the answer before, as the last request has them."""
    return served.provider.calls[-1].request.messages[1].parts


@pytest.mark.parametrize("request_", [chat_message(), asked()], ids=["plain", "with tools"])
def test_a_refusal_is_a_part_of_its_own(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, request_: llm_pb2.ChatRequest
) -> None:
    served.provider.will(*STEPS)
    answer = grpc_stub.Chat(request_, timeout=10)

    assert PARTS == list(answer.message.parts)
    assert llm_pb2.FINISH_REASON_REFUSAL == answer.finish_reason


@pytest.mark.parametrize("request_", [chat_message(), asked()], ids=["plain", "with tools"])
@pytest.mark.parametrize("final_message_included", [True, False])
def test_a_stream_numbers_it_and_brings_the_same(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    request_: llm_pb2.ChatRequest,
    *,
    final_message_included: bool,
) -> None:
    served.provider.will(*STEPS)
    request_.stream_options.final_message_included = final_message_included
    started, *between, completed = grpc_stub.ChatStream(request_, timeout=10)

    assert started.HasField("started")
    assert [
        llm_pb2.PartDelta(part_index=0, text="Well. "),
        llm_pb2.PartDelta(part_index=1, refusal="I can't"),
        llm_pb2.PartDelta(part_index=1, refusal=" do that."),
        llm_pb2.PartDelta(part_index=2, text="Sorry."),
    ] == [one.delta for one in between]
    assert llm_pb2.FINISH_REASON_REFUSAL == completed.completed.finish_reason
    assert (PARTS if final_message_included else []) == list(completed.completed.message.parts)


def test_a_refusal_commits_and_nobody_laxer_is_asked(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    asked_before = len(served.provider.calls)
    served.provider.will(pieces_of([Refusal(text="No.")]), DECLINED)
    started, delta, completed = grpc_stub.ChatStream(chat_message(), timeout=10)

    assert ("No.", 0) == (delta.delta.refusal, delta.delta.part_index)
    assert [0] == [one.status_code for one in started.started.route.attempts]
    assert completed.completed.timings.HasField("first_token_duration")
    assert 1 == len(served.provider.calls) - asked_before


def test_it_can_be_sent_back_as_it_is(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*STEPS)
    answer = grpc_stub.Chat(chat_message(), timeout=10).message
    grpc_stub.Chat(after(answer), timeout=10)

    assert ("Well. ", Refusal(text="I can't do that."), "Sorry.") == sent(served)


def test_what_grpcurl_sends_is_a_refusal(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    told_in_json = {
        "messages": [
            {"role": "ROLE_USER", "parts": [{"text": "Pick a lock."}]},
            {"role": "ROLE_ASSISTANT", "parts": [{"refusal": "I can't."}]},
            {"role": "ROLE_USER", "parts": [{"text": "Why?"}]},
        ]
    }
    grpc_stub.Chat(json_format.Parse(json.dumps(told_in_json), llm_pb2.ChatRequest()), timeout=10)

    assert (Refusal(text="I can't."),) == sent(served)


@pytest.mark.parametrize("role", [llm_pb2.ROLE_USER, llm_pb2.ROLE_SYSTEM, llm_pb2.ROLE_TOOL])
def test_nobody_else_declines(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, role: llm_pb2.Role.ValueType
) -> None:
    request = chat_message()
    declined = llm_pb2.Message(role=role, parts=[llm_pb2.ContentPart(refusal="SECRET")])
    request.messages.insert(0, declined)
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(request, timeout=10)
    failure = told(failed.value)
    wrong = failure.detail(error_details_pb2.BadRequest).field_violations

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (failure.code, failure.reason)
    assert [("messages[0].parts[0].refusal", "NOT_ALLOWED")] == [
        (one.field, one.reason) for one in wrong
    ]
    assert "SECRET" not in str(failed.value)


def test_an_empty_answer_has_no_part_and_can_be_sent_back_as_it_is(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(done())
    answer = grpc_stub.Chat(chat_message(), timeout=10).message
    grpc_stub.Chat(after(answer), timeout=10)

    assert llm_pb2.Message(role=llm_pb2.ROLE_ASSISTANT) == answer
    assert () == sent(served)


def test_an_empty_stream_has_no_delta_and_no_part(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(done())
    request = chat_message()
    request.stream_options.final_message_included = True
    started, completed = grpc_stub.ChatStream(request, timeout=10)

    assert started.HasField("started")
    assert llm_pb2.Message(role=llm_pb2.ROLE_ASSISTANT) == completed.completed.message
