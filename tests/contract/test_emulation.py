"""What a model can't do, imitated: calls and formats of one that only writes text."""

import json
from collections.abc import Iterator

import grpc
import jsonschema_rs
import pytest

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta, pieces_of
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.parts import Refusal
from llmsvc_server.chat.usage import FinishReason
from tests.contract.loop_thread import ServedElsewhere, served_elsewhere
from tests.contract.told import told
from tests.fakes.assembled import MODEL
from tests.fakes.scripted_provider import ScriptedProvider, done
from tests.fakes.tool_requests import asked, called, resulted

ARGUMENTS = '{"city":  "Oslo", "n": 9007199254740993}'
CALL = f'{{"name": "get_weather", "arguments": {ARGUMENTS}}}'
EMULATED = llm_pb2.Adjustment.ACTION_EMULATED


@pytest.fixture(scope="module")
def served() -> Iterator[ServedElsewhere]:
    """Serve a model that can be held to a schema, and to nothing else."""
    lacks = frozenset(Capability) - {Capability.JSON_SCHEMA}
    with served_elsewhere(ScriptedProvider(models=[MODEL], lacks=lacks)) as server:
        yield server


def emulated(*messages: llm_pb2.Message, tools: int = 1) -> llm_pb2.ChatRequest:
    request = asked(*messages, tools=tools)
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE
    return request


def calls_of(*calls: str) -> str:
    return f'{{"action": "call_tools", "calls": [{", ".join(calls)}]}}'


def cut(text: str, length: int = 7) -> list[Delta]:
    return [Delta(text[at : at + length]) for at in range(0, len(text), length)]


def adjusted(answer: llm_pb2.ChatResponse) -> dict[str, int]:
    return {one.field: one.action for one in answer.adjustments}


def test_a_model_without_tools_calls_them(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*cut(calls_of(CALL, CALL)), done())
    answer = grpc_stub.Chat(emulated(), timeout=10)
    first, second = (part.tool_call for part in answer.message.parts)

    assert ("get_weather", ARGUMENTS) == (first.name, first.arguments_json)
    assert first.id.startswith("call_")
    assert first.id != second.id
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == answer.finish_reason
    assert {"tools": EMULATED} == adjusted(answer)
    assert [True, True] == [check.conforming for check in answer.output_checks]


def test_it_is_told_of_them_and_held_to_calls_or_an_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*cut(calls_of(CALL)), done())
    grpc_stub.Chat(emulated(called(), resulted()), timeout=10)
    sent = served.provider.calls[-1].request

    assert () == sent.features.tools
    assert sent.features.response_format is not None
    assert "call_tools" in sent.features.response_format.json_schema
    assert "get_weather" in sent.messages[0].text
    assert "The tool get_weather returned: rain" == sent.messages[-1].text


def test_its_answer_is_streamed_while_it_is_written(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    text = 'Grüße,\n"Oslo" \\ 🙂'
    served.provider.will(*cut(json.dumps({"action": "answer", "answer": text}), 3), done())
    events = list(grpc_stub.ChatStream(emulated(), timeout=10))
    texts = [one.delta.text for one in events if one.HasField("delta")]

    assert text == "".join(texts)
    assert len(texts) > 3
    assert llm_pb2.FINISH_REASON_STOP == events[-1].completed.finish_reason
    assert {"tools": EMULATED} == adjusted(events[-1].completed)


def test_calls_are_streamed_as_parts(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(*cut(calls_of(CALL, CALL)), done())
    events = list(grpc_stub.ChatStream(emulated(), timeout=10))
    deltas = [one.delta for one in events if one.HasField("delta")]

    assert [0, 1] == [one.part_index for one in deltas]
    assert [ARGUMENTS] * 2 == [one.tool_call.arguments_json for one in deltas]


@pytest.mark.parametrize(
    "calls",
    [[CALL] * 129, [f'{{"name": "get_weather", "arguments": {{"city": "{"x" * 65_536}"}}}}']],
)
def test_calls_that_could_not_be_sent_back_are_no_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, calls: list[str]
) -> None:
    served.provider.will(*cut(calls_of(*calls), 1_000), done())
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(emulated(), timeout=10)
    failure = told(failed.value)

    assert ("ABORTED", "MODEL_OUTPUT_INVALID") == (failure.code, failure.reason)
    assert "toolCall" == failure.metadata["cause"]


def test_one_call_is_kept_where_more_are_not_wanted(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    request = emulated()
    request.tool_choice.single_call = True
    served.provider.will(*cut(calls_of(CALL, CALL)), done())
    answer = grpc_stub.Chat(request, timeout=10)

    assert 1 == len(answer.message.parts)
    assert {
        "tools": EMULATED,
        "tool_choice.single_call": llm_pb2.Adjustment.ACTION_IGNORED,
    } == adjusted(answer)


@pytest.mark.parametrize(
    "written",
    [
        calls_of('{"name": "other", "arguments": {}}'),
        calls_of('{"name": "get_weather", "arguments": [1]}'),
        calls_of(CALL)[:-3],
    ],
)
def test_a_call_that_nobody_can_make_is_no_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, written: str
) -> None:
    served.provider.will(*cut(written), done())
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(emulated(), timeout=10)
    failure = told(failed.value)

    assert ("ABORTED", "MODEL_OUTPUT_INVALID", "toolCall") == (
        failure.code,
        failure.reason,
        failure.metadata["cause"],
    )


@pytest.mark.parametrize(
    ("name", "arguments"), [("get_weather", '"{}"'), ("get_weather", "[]"), ("remove", "{}")]
)
def test_nothing_of_a_call_that_nobody_can_make_is_streamed(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, name: str, arguments: str
) -> None:
    wrong = f'{{"name": "{name}", "arguments": {arguments}}}'
    served.provider.will(*cut(calls_of(CALL, wrong)), done())
    with pytest.raises(grpc.RpcError) as failed:
        next(grpc_stub.ChatStream(emulated(), timeout=10))
    failure = told(failed.value)

    assert ("MODEL_OUTPUT_INVALID", "toolCall") == (failure.reason, failure.metadata["cause"])


@pytest.mark.parametrize(
    "action",
    [
        llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE,
        llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE,
    ],
)
def test_a_history_of_calls_is_told_to_a_model_that_knows_none(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    action: llm_pb2.UnsupportedFeatureAction.ValueType,
) -> None:
    request = asked(called(arguments=ARGUMENTS), resulted(), tools=0)
    request.unsupported_feature_action = action
    served.provider.will(Delta("Rain."), done())
    answer = grpc_stub.Chat(request, timeout=10)
    sent = served.provider.calls[-1].request

    assert "Rain." == answer.message.parts[0].text
    assert {"messages": EMULATED} == adjusted(answer)
    assert sent.is_plain
    assert ARGUMENTS in sent.messages[1].text
    assert "The tool get_weather returned: rain" == sent.messages[2].text


def test_nor_is_it_lost_without_a_word_where_nothing_may_be_imitated(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    calls = len(served.provider.calls)
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(asked(called(), resulted(), tools=0), timeout=10)
    failure = told(failed.value)

    assert calls == len(served.provider.calls)

    assert ("FAILED_PRECONDITION", "CAPABILITY_UNSUPPORTED") == (failure.code, failure.reason)
    assert "messages" in failure.message


def test_schemas_that_refer_to_parts_of_their_own_are_held_to_each_in_its_place(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    item = {"anyOf": [{"$ref": "#/$defs/item"}, {"type": "null"}]}
    schema = {
        "$defs": {"item": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "type": "object",
        "properties": {"first": item, "$ref": {"enum": [{"$ref": "#/$defs/item"}]}},
    }
    request = emulated(tools=2)
    for tool in request.tools:
        tool.function.parameters_json_schema = json.dumps(schema)
    served.provider.will(Delta('{"action": "answer", "answer": "no"}'), done())
    grpc_stub.Chat(request, timeout=10)
    [shape] = [one.request.features.response_format for one in served.provider.calls[-1:]]
    assert shape is not None
    union = jsonschema_rs.validator_for(json.loads(shape.json_schema))

    def call(**arguments: object) -> object:
        return {"action": "call_tools", "calls": [{"name": "f1", "arguments": arguments}]}

    assert union.is_valid(call(first={"name": "a"}))
    assert union.is_valid(call(first=None))
    assert not union.is_valid(call(first={"name": 1}))
    assert not union.is_valid({"action": "call_tools", "calls": [{"name": "f2", "arguments": {}}]})


def test_one_that_must_call_and_does_not_gives_no_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    request = emulated()
    request.tool_choice.mode = llm_pb2.ToolChoice.MODE_REQUIRED
    served.provider.will(Delta("It rains."), done())
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(request, timeout=10)

    assert "MODEL_OUTPUT_INVALID" == told(failed.value).reason


def test_a_format_is_asked_for_in_words_and_checked(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    request = emulated(tools=0)
    request.response_format.json_object.SetInParent()
    served.provider.will(Delta('{"a": 1}'), done())
    answer = grpc_stub.Chat(request, timeout=10)

    assert '{"a": 1}' == answer.message.parts[0].text
    assert {"response_format": EMULATED} == adjusted(answer)
    assert [True] == [check.conforming for check in answer.output_checks]
    assert "JSON object" in served.provider.calls[-1].request.messages[0].text


@pytest.mark.parametrize(
    "action",
    [
        llm_pb2.UNSUPPORTED_FEATURE_ACTION_UNSPECIFIED,
        llm_pb2.UNSUPPORTED_FEATURE_ACTION_FAIL,
    ],
)
def test_nothing_is_sent_where_nothing_is_to_be_imitated(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    action: llm_pb2.UnsupportedFeatureAction.ValueType,
) -> None:
    before = len(served.provider.calls)
    request = asked()
    request.unsupported_feature_action = action
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.Chat(request, timeout=10)
    failure = told(failed.value)

    assert ("FAILED_PRECONDITION", "CAPABILITY_UNSUPPORTED") == (failure.code, failure.reason)
    assert before == len(served.provider.calls)


def test_what_can_be_left_out_is_and_that_is_told(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    request = asked()
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE
    served.provider.will(Delta("It rains."), done())
    answer = grpc_stub.Chat(request, timeout=10)

    assert {"tools": llm_pb2.Adjustment.ACTION_IGNORED} == adjusted(answer)
    assert served.provider.calls[-1].request.is_plain


WROTE: dict[str, tuple[list[Delta], list[str]]] = {
    "nothing": ([], []),
    "an answer": ([*cut('{"action": "answer", "answer": "Well.')], ["Well."]),
    "half a call": ([*cut(calls_of(CALL)[:-9])], []),
    "the beginning of either": ([Delta('{"action"')], []),
}
"""What a model wrote before it declined -> the texts that are passed on."""


@pytest.mark.parametrize("wrote", WROTE)
@pytest.mark.parametrize("in_one", [True, False])
def test_a_refusal_ends_what_the_model_was_told_to_write(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, wrote: str, *, in_one: bool
) -> None:
    deltas, texts = WROTE[wrote]
    no = Refusal(text="I can't.")
    steps = [*deltas, pieces_of([no])]
    if in_one:
        steps = [pieces_of([*filter(None, ["".join(delta.text for delta in deltas)]), no])]
    end = done(finish_reason=FinishReason.REFUSAL)
    served.provider.will(*steps, end)
    served.provider.will(*steps, end)
    request = emulated()
    request.tool_choice.mode = llm_pb2.ToolChoice.MODE_REQUIRED
    answer = grpc_stub.Chat(request, timeout=10)
    streamed = [
        one.delta for one in grpc_stub.ChatStream(request, timeout=10) if one.HasField("delta")
    ]

    assert [*texts, ""] == [part.text for part in answer.message.parts]
    assert "I can't." == answer.message.parts[-1].refusal
    assert llm_pb2.FINISH_REASON_REFUSAL == answer.finish_reason
    assert "".join(texts) == "".join(one.text for one in streamed)
    assert ("I can't.", len(texts)) == (streamed[-1].refusal, streamed[-1].part_index)


def test_an_earlier_refusal_is_told_as_text_beside_calls(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    before = called("a", arguments="{}")
    before.parts.insert(0, llm_pb2.ContentPart(refusal="I can't guess."))
    served.provider.will(*cut('{"action": "answer", "answer": "ok"}'), done())
    grpc_stub.Chat(emulated(before, resulted("a")), timeout=10)
    sent = [one.text for one in served.provider.calls[-1].request.messages]

    assert any(text.startswith("I can't guess.\n{") for text in sent)
