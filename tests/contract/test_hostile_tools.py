"""Tools, calls, results and formats that are made to be too much, over the wire."""

import json
from collections.abc import Callable

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import Told, told
from tests.fakes.scripted_provider import done
from tests.fakes.tool_requests import asked, called, function, resulted, said

CHAT = "/llmsvc.v1.LLMService/Chat"
CHAT_STREAM = "/llmsvc.v1.LLMService/ChatStream"
CANARY = "canary"
UNKNOWN_FIELD = b"\x98\x06\x01"  # 99


def refused(channel: grpc.Channel, method: str, request: bytes) -> Told:
    """Send bytes; return what was told of them."""
    connect = channel.unary_stream if method == CHAT_STREAM else channel.unary_unary
    call: Callable[..., object] = connect(method, bytes, bytes)
    with pytest.raises(grpc.RpcError) as raised:
        next(call(request, timeout=20))  # type: ignore[call-overload]  # a stream fails when it is read
    return told(raised.value)


def violations(failure: Told) -> list[tuple[str, str]]:
    told_ = failure.detail(error_details_pb2.BadRequest).field_violations
    assert all(0 < len(one.description.encode()) <= 64 for one in told_)
    return [(one.field, one.reason) for one in told_]


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def with_tools(*schemas: str) -> llm_pb2.ChatRequest:
    request = asked(tools=0)
    request.tools.extend(function(f"f{index}", one) for index, one in enumerate(schemas))
    return request


def slow_patterns(tool: int) -> str:
    """Return a schema whose expressions take 0.1 s to compile."""
    patterns = [{"pattern": f"^(a|b|[c-z]){{1,400}}{tool}-{one}$"} for one in range(120)]
    return json.dumps({"allOf": patterns})


def more(request: llm_pb2.ChatRequest, wire: bytes) -> bytes:
    return request.SerializeToString() + wire


def inside(field: int, wire: bytes) -> bytes:
    return bytes((field << 3 | 2, len(wire))) + wire


CASES: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "100,000 tools": (more(asked(), b"\x22\x00" * 100_000), [("tools", "TOO_MANY")]),
    "100,000 functions": (more(asked(), b"\x22\x02\x0a\x00" * 100_000), [("tools", "TOO_MANY")]),
    "100,000 allowed names": (
        more(asked(), b"\x2a\x06\x12\x00\x12\x00\x12\x00" * 33_334),
        [("tool_choice.allowed_function_names", "TOO_MANY")],
    ),
    "100,000 formats": (more(asked(), b"\x32\x02\x0a\x00" * 100_000), [("", "TOO_MANY")]),
    "100,000 calls": (
        more(asked(), inside(2, b"\x12\x04\x1a\x02\x0a\x00" * 20) * 5_000),
        [("messages", "TOO_MANY")],
    ),
    "100,000 results": (
        asked(*[resulted()] * 100_000).SerializeToString(),
        [("messages", "TOO_MANY")],
    ),
    "deep arguments": (
        asked(called(arguments=deep(5_000)), resulted()).SerializeToString(),
        [("messages[1].parts[0].tool_call.arguments_json", "MALFORMED")],
    ),
    "a deep schema": (
        with_tools(deep(5_000)).SerializeToString(),
        [("tools[0].function.parameters_json_schema", "OUT_OF_RANGE")],
    ),
    "an integer beyond all floats": (
        with_tools(
            f'{{"properties": {{"a": {{"type": "integer", "enum": [{"9" * 400}]}}}}}}'
        ).SerializeToString(),
        [("tools[0].function.parameters_json_schema", "MALFORMED")],
    ),
    "schemas beyond the bound": (
        with_tools(*map(slow_patterns, range(128))).SerializeToString(),
        [("tools", "TOO_LONG")],
    ),
    "expressions beyond the bound": (
        with_tools(*map(slow_patterns, range(20))).SerializeToString(),
        [("tools[1].function.parameters_json_schema", "TOO_MANY")],
    ),
    "a mode": (more(asked(), b"\x2a\x02\x08\x63"), [("tool_choice.mode", "UNKNOWN")]),
    "a negative mode": (
        more(asked(), inside(5, b"\x08" + b"\xff" * 9 + b"\x01")),
        [("tool_choice.mode", "UNKNOWN")],
    ),
    "an action": (more(asked(), b"\x48\x63"), [("unsupported_feature_action", "UNKNOWN")]),
    "a role": (
        asked(llm_pb2.Message(role=99, parts=resulted().parts)).SerializeToString(),  # type: ignore[arg-type]  # no role
        [
            ("messages[1].role", "UNKNOWN"),
            ("messages[1].parts[0].tool_result.tool_call_id", "NOT_ALLOWED"),
        ],
    ),
    "a kind of tool": (more(asked(), inside(4, UNKNOWN_FIELD)), [("tools[1]", "UNKNOWN")]),
    "a rule of a function": (
        more(asked(), inside(4, inside(1, b"\x0a\x01f" + UNKNOWN_FIELD))),
        [("tools[1].function", "UNKNOWN")],
    ),
    "a rule of choice": (more(asked(), inside(5, UNKNOWN_FIELD)), [("tool_choice", "UNKNOWN")]),
    "a format": (more(asked(), inside(6, UNKNOWN_FIELD)), [("response_format", "UNKNOWN")]),
    "a rule of a format": (
        more(asked(), inside(6, inside(2, b"\x12\x02{}" + UNKNOWN_FIELD))),
        [("response_format.json_schema", "UNKNOWN")],
    ),
    "a choice in pieces": (
        more(asked(), b"\x2a\x02\x08\x03" + inside(5, b"\x12\x01x") + inside(5, UNKNOWN_FIELD)),
        [
            ("tool_choice", "UNKNOWN"),
            ("tool_choice.allowed_function_names[0]", "NOT_ALLOWED"),
        ],
    ),
    "arguments that are no text": (
        more(asked(), inside(2, inside(2, inside(3, b"\x1a\x01\xff")))),
        [("", "MALFORMED")],
    ),
}


@pytest.mark.parametrize("method", [CHAT, CHAT_STREAM])
@pytest.mark.parametrize("name", CASES)
def test_what_is_too_much_or_too_new_is_named_and_nobody_is_asked(
    grpc_channel: grpc.Channel, served: ServedElsewhere, method: str, name: str
) -> None:
    request, expected = CASES[name]
    before = len(served.provider.calls)
    failure = refused(grpc_channel, method, request)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (failure.code, failure.reason)
    assert expected == violations(failure)
    assert before == len(served.provider.calls)


def wrong_everywhere() -> llm_pb2.ChatRequest:
    """Return a request with more faults than are told, each with a secret in it."""
    request = asked(
        called(f"{CANARY}1", arguments=CANARY),
        resulted(f"{CANARY}2"),
        said(llm_pb2.ROLE_TOOL, CANARY),
        called(f"{CANARY}3", name=f"{CANARY} {CANARY}"),
        tools=0,
    )
    for schema in (CANARY, f'{{"$ref": "http://{CANARY}"}}', f'{{"type": "{CANARY}"}}'):
        tool = function(f"{CANARY}!", schema)
        tool.function.description = CANARY * 3_000
        request.tools.append(tool)
    request.tool_choice.allowed_function_names.append(CANARY)
    request.response_format.json_schema.name = f"{CANARY}!"
    return request


@pytest.mark.parametrize("method", [CHAT, CHAT_STREAM])
def test_all_is_told_at_once_up_to_16_and_nothing_is_quoted(
    grpc_channel: grpc.Channel, method: str
) -> None:
    failure = refused(grpc_channel, method, wrong_everywhere().SerializeToString())
    fields = [field for field, _ in violations(failure)]

    assert 16 == len(fields)
    assert ["messages[1].parts[0].tool_call.arguments_json", "tools[1].function.name"] == [
        fields[0],
        fields[-3],
    ]
    assert failure.message.endswith("(and 15 more)")
    assert CANARY not in str(failure)


def test_the_most_that_is_allowed_is_taken(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    calls = llm_pb2.Message(role=llm_pb2.ROLE_ASSISTANT)
    results = llm_pb2.Message(role=llm_pb2.ROLE_TOOL)
    for number in range(64):
        call_id = f"{number:02}" + "i" * 254
        calls.parts.extend(called(call_id, arguments=deep(32)).parts)
        results.parts.extend(resulted(call_id).parts)
    request = asked(calls, results, tools=128)
    for number, tool in enumerate(request.tools[1:]):
        tool.function.name = f"{number:03}" + "n" * 61
        tool.function.description = "d" * 16_384
    request.tools[0].function.parameters_json_schema = json.dumps(
        {"type": "object", "title": "t" * 32_000}
    )
    request.tool_choice.allowed_function_names.extend(one.function.name for one in request.tools)
    served.provider.will(Delta("It rains."), done())
    answer = grpc_stub.Chat(request, timeout=20)
    asked_for = served.provider.calls[-1].request

    assert "It rains." == answer.message.parts[0].text
    assert (128, 64) == (len(asked_for.features.offered), len(asked_for.messages[1].parts))
