"""Tools and formats over the wire: what a caller gets back of what a model wrote."""

import json

import grpc
import pytest
from google.protobuf import json_format

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta, pieces_of
from llmsvc_server.chat.parts import CallPiece, ToolCall
from llmsvc_server.chat.usage import FinishReason
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import told
from tests.fakes.scripted_provider import done
from tests.fakes.tool_requests import asked, called, resulted

ARGUMENTS = '{"city":  "Oslo", "n": 9007199254740993}'
CALLED = done(finish_reason=FinishReason.TOOL_CALLS)
STEPS = (
    Delta("Let me "),
    pieces_of(["see.", CallPiece(id="a", name="get_weather", arguments_json=ARGUMENTS[:9])]),
    pieces_of([CallPiece(arguments_json=ARGUMENTS[9:])]),
    pieces_of([CallPiece(id="b", name="get_weather", arguments_json='{"city": 1}')]),
    CALLED,
)


def call(part: llm_pb2.ContentPart) -> tuple[str, str, str]:
    return part.tool_call.id, part.tool_call.name, part.tool_call.arguments_json


def test_calls_come_whole_with_their_checks(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*STEPS)
    answer = grpc_stub.Chat(asked(), timeout=10)
    text, *calls = answer.message.parts

    assert "Let me see." == text.text
    assert [("a", "get_weather", ARGUMENTS), ("b", "get_weather", '{"city": 1}')] == [
        call(one) for one in calls
    ]
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == answer.finish_reason
    first, second = answer.output_checks
    assert ("a", True, []) == (first.tool_call_id, first.conforming, list(first.violations))
    assert ("b", False) == (second.tool_call_id, second.conforming)
    assert [("/city", "type")] == [(one.pointer, one.keyword) for one in second.violations]


@pytest.mark.parametrize("final_message_included", [True, False])
def test_a_stream_numbers_its_parts_and_brings_the_same(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    *,
    final_message_included: bool,
) -> None:
    served.provider.will(*STEPS)
    request = asked()
    request.stream_options.final_message_included = final_message_included
    events = list(grpc_stub.ChatStream(request, timeout=10))
    deltas = [one.delta for one in events if one.HasField("delta")]
    completed = events[-1].completed

    assert [0, 0, 1, 1, 2] == [one.part_index for one in deltas]
    assert ["a", "", "b"] == [one.tool_call.id for one in deltas[2:]]
    assert ARGUMENTS == "".join(one.tool_call.arguments_json for one in deltas[2:4])
    assert [True, False] == [one.conforming for one in completed.output_checks]
    assert final_message_included == completed.HasField("message")
    if final_message_included:
        assert ["Let me see.", "", ""] == [part.text for part in completed.message.parts]
        assert ("a", "get_weather", ARGUMENTS) == call(completed.message.parts[1])


def test_an_answer_with_calls_and_its_results_can_be_sent_back(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*STEPS)
    answer = grpc_stub.Chat(asked(), timeout=10)
    served.provider.will(Delta("It rains."), done())
    again = asked(answer.message, resulted("b"), resulted("a", "sun"))
    answer = grpc_stub.Chat(again, timeout=10)

    assert "It rains." == answer.message.parts[0].text
    sent = served.provider.calls[-1].request.messages[1].parts
    assert ("Let me see.", ToolCall(id="a", name="get_weather", arguments_json=ARGUMENTS)) == sent[
        :2
    ]


def test_the_longest_answer_can_be_sent_back(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    calls = [CallPiece(id=str(one), name="get_weather", arguments_json="{}") for one in range(128)]
    pieces = [piece for one in calls for piece in ("Hm.", one)]
    served.provider.will(pieces_of([*pieces, "There."]), CALLED)
    answer = grpc_stub.Chat(asked(), timeout=10)
    served.provider.will(Delta("It rains."), done())
    results = llm_pb2.Message(role=llm_pb2.ROLE_TOOL)
    results.parts.extend(resulted(one.id).parts[0] for one in calls)
    again = grpc_stub.Chat(asked(answer.message, results), timeout=10)

    assert 257 == len(answer.message.parts)
    assert "It rains." == again.message.parts[0].text


def test_what_grpcurl_sends_is_a_request_with_tools(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    told_in_json = {
        "messages": [{"role": "ROLE_USER", "parts": [{"text": "Weather?"}]}],
        "tools": [{"function": {"name": "f", "parametersJsonSchema": '{"type":"object"}'}}],
        "toolChoice": {"mode": "MODE_REQUIRED", "allowedFunctionNames": ["f"], "singleCall": True},
    }
    served.provider.will(pieces_of([CallPiece(id="1", name="f", arguments_json="{}")]), CALLED)
    request = json_format.Parse(json.dumps(told_in_json), llm_pb2.ChatRequest())
    answer = grpc_stub.Chat(request, timeout=10)

    assert ["f"] == [part.tool_call.name for part in answer.message.parts]


@pytest.mark.parametrize("arguments", ["", "[]", '{"a": 1', "no"])
def test_a_call_that_nobody_can_read_is_no_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, arguments: str
) -> None:
    piece = CallPiece(id="1", name="get_weather", arguments_json=arguments)
    served.provider.will(pieces_of([piece]), CALLED)
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(asked(), timeout=10)
    failure = told(failed.value)

    assert ("ABORTED", "MODEL_OUTPUT_INVALID") == (failure.code, failure.reason)
    assert "toolCall" == failure.metadata["cause"]


def test_a_stream_with_such_a_call_does_not_complete(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    piece = CallPiece(id="1", name="get_weather", arguments_json="{")
    served.provider.will(Delta("Hm."), pieces_of([piece]), CALLED)
    stream = grpc_stub.ChatStream(asked(), timeout=10)
    events = [next(stream).WhichOneof("event") for _ in range(3)]
    with pytest.raises(grpc.RpcError) as failed:
        next(stream)
    failure = told(failed.value)

    assert ["started", "delta", "delta"] == events
    assert ("ABORTED", "MODEL_OUTPUT_INVALID", "toolCall") == (
        failure.code,
        failure.reason,
        failure.metadata["cause"],
    )


def formatted(*, conformance_required: bool) -> llm_pb2.ChatRequest:
    request = asked(tools=0)
    shape = request.response_format.json_schema
    shape.schema_json = '{"type":"object","required":["name"]}'
    shape.conformance_required = conformance_required
    return request


def test_an_answer_that_does_not_conform_says_where(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(Delta('{"nam'), Delta('e2": 1}'), done())
    *_, last = grpc_stub.ChatStream(formatted(conformance_required=False), timeout=10)
    (check,) = last.completed.output_checks

    assert ("", False) == (check.tool_call_id, check.conforming)
    assert ["required"] == [one.keyword for one in check.violations]


def test_an_answer_that_has_to_conform_is_refused_if_it_does_not(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(Delta("SECRET"), done())
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(formatted(conformance_required=True), timeout=10)
    failure = told(failed.value)

    assert ("ABORTED", "MODEL_OUTPUT_INVALID") == (failure.code, failure.reason)
    assert "responseFormat" == failure.metadata["cause"]
    assert "SECRET" not in str(failed.value)


def test_calls_of_the_history_alone_are_sent_on(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(Delta("Rain."), done())
    answer = grpc_stub.Chat(asked(called(), resulted(), tools=0), timeout=10)

    assert "Rain." == answer.message.parts[0].text
    assert () == served.provider.calls[-1].request.features.tools
