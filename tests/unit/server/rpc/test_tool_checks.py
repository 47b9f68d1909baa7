"""What is refused about tools, calls, results and formats, and what is not."""

import json
from collections.abc import Callable

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.features import ChoiceMode, ResponseFormat, UnsupportedAction
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Delivery, Role
from llmsvc_server.rpc.details import MAX_DETAIL_BYTES
from llmsvc_server.rpc.parsing import parse_request
from tests.fakes.tool_requests import asked, called, function, resulted, said
from tests.unit.server.rpc.refusals import told

REQUIRED = llm_pb2.ToolChoice.MODE_REQUIRED
FUNCTION = "tools[0].function"
SCHEMA = f"{FUNCTION}.parameters_json_schema"
CALL = "messages[1].parts[0].tool_call"
RESULT = "messages[2].parts[0].tool_result"
FORMAT = "response_format"


def outcome(request: llm_pb2.ChatRequest) -> list[tuple[str, str]]:
    return [(one.field, one.reason.value) for one in told(request)]


def parsed(request: llm_pb2.ChatRequest) -> ChatRequest:
    return parse_request(request.SerializeToString(), Delivery.WHOLE, "").chat


def changed(change: Callable[[llm_pb2.ChatRequest], object]) -> llm_pb2.ChatRequest:
    request = asked()
    change(request)
    return request


def with_schema(text: str) -> llm_pb2.ChatRequest:
    return changed(lambda one: one.tools[0].CopyFrom(function(schema=text)))


def with_format(**fields: object) -> llm_pb2.ChatRequest:
    shape = llm_pb2.JsonSchemaFormat(**fields)  # type: ignore[arg-type]  # a test's own fields
    return llm_pb2.ChatRequest(
        messages=[said(llm_pb2.ROLE_USER, "hi")],
        response_format=llm_pb2.ResponseFormat(json_schema=shape),
    )


def unknown_in(*path: int) -> bytes:
    data = b"\x98\x06\x01"  # field 99
    for number in reversed(path):
        data = bytes((number << 3 | 2, len(data))) + data
    return data


LONG = "x" * (1024 * 1024 + 1)

REFUSED = {
    "no kind": (changed(lambda r: r.tools[0].Clear()), "tools[0]", "MISSING"),
    "no name": (
        changed(lambda r: r.tools[0].function.ClearField("name")),
        f"{FUNCTION}.name",
        "MALFORMED",
    ),
    "odd name": (
        changed(lambda r: setattr(r.tools[0].function, "name", "a b")),
        f"{FUNCTION}.name",
        "MALFORMED",
    ),
    "long name": (
        changed(lambda r: setattr(r.tools[0].function, "name", "a" * 65)),
        f"{FUNCTION}.name",
        "MALFORMED",
    ),
    "two of one name": (
        changed(lambda r: r.tools.append(function())),
        "tools[1].function.name",
        "NOT_ALLOWED",
    ),
    "long description": (
        changed(lambda r: setattr(r.tools[0].function, "description", "x" * 16_385)),
        f"{FUNCTION}.description",
        "TOO_LONG",
    ),
    "long schema": (with_schema('{"title": "' + "x" * 32_768 + '"}'), SCHEMA, "TOO_LONG"),
    "no JSON": (with_schema("{"), SCHEMA, "MALFORMED"),
    "no schema": (with_schema('{"type": 1}'), SCHEMA, "MALFORMED"),
    "no object": (with_schema('{"type": "string"}'), SCHEMA, "MALFORMED"),
    "anything": (with_schema("true"), SCHEMA, "MALFORMED"),
    "a file": (with_schema('{"$ref": "file:///etc/passwd"}'), SCHEMA, "MALFORMED"),
    "an address": (
        with_schema('{"properties": {"a": {"$ref": "http://h/a"}}}'),
        SCHEMA,
        "MALFORMED",
    ),
    "too many": (asked(tools=129), "tools", "TOO_MANY"),
    "unknown mode": (
        changed(lambda r: r.tool_choice.ParseFromString(b"\x08\x09")),
        "tool_choice.mode",
        "UNKNOWN",
    ),
    "no such function": (
        changed(lambda r: r.tool_choice.allowed_function_names.extend(["get_weather", "x"])),
        "tool_choice.allowed_function_names[1]",
        "NOT_ALLOWED",
    ),
    "must call nothing": (
        llm_pb2.ChatRequest(
            messages=[said(llm_pb2.ROLE_USER, "hi")],
            tool_choice=llm_pb2.ToolChoice(mode=REQUIRED),
        ),
        "tool_choice.mode",
        "NOT_ALLOWED",
    ),
    "unknown action": (
        changed(lambda r: r.MergeFromString(b"\x48\x09")),
        "unsupported_feature_action",
        "UNKNOWN",
    ),
    "newer tool": (changed(lambda r: r.MergeFromString(unknown_in(4))), "tools[1]", "UNKNOWN"),
    "newer function": (
        changed(lambda r: r.tools[0].MergeFromString(unknown_in(1))),
        FUNCTION,
        "UNKNOWN",
    ),
    "newer choice": (changed(lambda r: r.MergeFromString(unknown_in(5))), "tool_choice", "UNKNOWN"),
    "newer format": (changed(lambda r: r.MergeFromString(unknown_in(6))), FORMAT, "UNKNOWN"),
    "newer object": (
        changed(lambda r: r.MergeFromString(unknown_in(6, 1))),
        f"{FORMAT}.json_object",
        "UNKNOWN",
    ),
    "no format": (changed(lambda r: r.response_format.SetInParent()), FORMAT, "MISSING"),
    "no response schema": (with_format(), f"{FORMAT}.json_schema.schema_json", "MISSING"),
    "odd format name": (
        with_format(name="a b", schema_json="{}"),
        f"{FORMAT}.json_schema.name",
        "MALFORMED",
    ),
    "no JSON for a format": (
        with_format(schema_json="nope"),
        f"{FORMAT}.json_schema.schema_json",
        "MALFORMED",
    ),
    "no call id": (asked(called(""), resulted("")), f"{CALL}.id", "MISSING"),
    "long call id": (asked(called("x" * 257), resulted("x" * 257)), f"{CALL}.id", "TOO_LONG"),
    "odd function": (asked(called(name="a b"), resulted()), f"{CALL}.name", "MALFORMED"),
    "no object of arguments": (
        asked(called(arguments="[1]"), resulted()),
        f"{CALL}.arguments_json",
        "MALFORMED",
    ),
    "deep arguments": (
        asked(called(arguments='{"a":' * 40 + "1" + "}" * 40), resulted()),
        f"{CALL}.arguments_json",
        "MALFORMED",
    ),
    "long arguments": (
        asked(called(arguments=json.dumps({"a": "x" * 65_536})), resulted()),
        f"{CALL}.arguments_json",
        "TOO_LONG",
    ),
    "long result": (asked(called(), resulted(content=LONG)), f"{RESULT}.content", "TOO_LONG"),
    "no result": (asked(called(), said(llm_pb2.ROLE_USER, "so?")), CALL, "MISSING"),
    "result without call": (
        asked(resulted()),
        "messages[1].parts[0].tool_result.tool_call_id",
        "NOT_ALLOWED",
    ),
    "another's result": (
        asked(called("1"), resulted("1"), called("2"), resulted("2"), resulted("1")),
        "messages[5].parts[0].tool_result.tool_call_id",
        "NOT_ALLOWED",
    ),
    "two results": (
        asked(called(), resulted(), resulted()),
        "messages[3].parts[0].tool_result.tool_call_id",
        "NOT_ALLOWED",
    ),
    "text of a tool": (
        asked(called(), resulted(), said(llm_pb2.ROLE_TOOL, "rain")),
        "messages[3].parts[0].text",
        "NOT_ALLOWED",
    ),
    "a call of the user's": (
        asked(llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=called().parts)),
        "messages[1].parts[0].tool_call",
        "NOT_ALLOWED",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_it_is_refused_by_its_field(name: str) -> None:
    request, field, reason = REFUSED[name]

    assert (field, reason) in outcome(request)
    assert [] == [one for one in told(request) if len(one.description) > MAX_DETAIL_BYTES]
    assert [] == [one for one in told(request) if "passwd" in one.description]


def test_each_call_wants_its_own_result() -> None:
    both = called("1")
    both.parts.extend(called("1").parts)

    assert [("messages[1].parts[1].tool_call.id", "NOT_ALLOWED")] == outcome(
        asked(both, resulted())
    )


def test_a_conversation_does_not_end_with_a_call() -> None:
    assert [(CALL, "MISSING"), ("messages[1].role", "NOT_ALLOWED")] == outcome(asked(called()))


def test_schemas_have_a_bound_together() -> None:
    text = json.dumps({"type": "object", "title": "x" * 32_000})
    request = asked()
    for number in range(9):
        request.tools.append(function(f"g{number}", text))

    assert [("tools", "TOO_LONG")] == outcome(request)


def test_schemas_beyond_it_are_not_looked_at() -> None:
    request = asked(tools=128)
    for number, tool in enumerate(request.tools):
        patterns = [{"pattern": f"^(a|b|[c-z]){{1,200}}{number}-{one}$"} for one in range(100)]
        tool.function.parameters_json_schema = json.dumps({"allOf": patterns})
    request.tools[0].function.parameters_json_schema = "{"
    request.response_format.json_schema.schema_json = "{"

    assert [("tools", "TOO_LONG")] == outcome(request)


def test_a_format_that_is_too_long_is_named_itself() -> None:
    request = with_format(schema_json='{"title": "' + "x" * 300_000 + '"}')

    assert [(f"{FORMAT}.json_schema.schema_json", "TOO_LONG")] == outcome(request)


def test_expressions_are_bounded_in_all_schemas_together() -> None:
    patterns = {"allOf": [{"pattern": f"^(?!{one})[a-z]+$"} for one in range(8)]}
    request = asked(tools=5)
    for tool in request.tools:
        tool.function.parameters_json_schema = json.dumps(patterns)
    request.response_format.json_schema.schema_json = json.dumps(patterns)

    assert [("tools[4].function.parameters_json_schema", "TOO_MANY")] == outcome(request)


def test_all_that_a_model_reads_counts_as_text() -> None:
    request = asked(called(), resulted())
    request.tools[0].function.description = "x"
    for _ in range(5):
        request.messages.extend([called(), resulted(content="x" * 900_000)])

    assert [("messages", "TOO_LONG")] == outcome(request)


def test_a_round_trip_of_calls_is_read_as_it_was_written() -> None:
    arguments = '{"b": 9007199254740993,  "a": 1.50}'
    both = called("1", arguments=arguments)
    both.parts.extend(called("2").parts)
    chat = parsed(asked(said(llm_pb2.ROLE_ASSISTANT, "Hm."), both, resulted("2"), resulted("1")))

    assert not chat.is_plain
    assert [Role.USER, Role.ASSISTANT, Role.ASSISTANT, Role.TOOL, Role.TOOL] == [
        one.role for one in chat.messages
    ]
    assert (
        ToolCall(id="1", name="get_weather", arguments_json=arguments) == chat.messages[2].parts[0]
    )
    assert ToolResult(call_id="2", content="rain") == chat.messages[3].parts[0]
    assert ["get_weather"] == [tool.name for tool in chat.features.tools]


def test_results_without_tools_are_no_plain_request() -> None:
    request = asked(called(), resulted(), tools=0)
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE
    chat = parsed(request)

    assert UnsupportedAction.EMULATE is chat.features.unsupported
    assert not chat.is_plain


def test_a_choice_among_nothing_is_a_plain_request() -> None:
    request = llm_pb2.ChatRequest(
        messages=[said(llm_pb2.ROLE_USER, "hi")],
        tool_choice=llm_pb2.ToolChoice(mode=llm_pb2.ToolChoice.MODE_NONE),
        unsupported_feature_action=llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE,
    )

    assert parsed(request).is_plain


def test_rules_and_formats_are_read() -> None:
    request = asked()
    request.tool_choice.mode = REQUIRED
    request.tool_choice.allowed_function_names.append("get_weather")
    request.tool_choice.single_call = True
    request.response_format.json_schema.schema_json = '{"type": "object"}'
    request.response_format.json_schema.conformance_required = True
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE
    features = parsed(request).features

    assert (ChoiceMode.REQUIRED, ("get_weather",), True) == (
        features.choice.mode,
        features.choice.allowed,
        features.choice.single_call,
    )
    assert (
        ResponseFormat(json_schema='{"type": "object"}', conformance_required=True)
        == features.response_format
    )
    assert UnsupportedAction.EMULATE is features.unsupported


def test_any_object_is_a_format_too() -> None:
    request = asked(tools=0)
    request.response_format.json_object.SetInParent()

    assert ResponseFormat() == parsed(request).features.response_format


@pytest.mark.parametrize("action", list(llm_pb2.UnsupportedFeatureAction.values()))
def test_every_action_of_the_contract_is_known(
    action: llm_pb2.UnsupportedFeatureAction.ValueType,
) -> None:
    request = asked()
    request.unsupported_feature_action = action

    assert [] == told(request)
