"""Whatever bytes arrive, the checks accept them or refuse them with InvalidRequest."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import InvalidRequest
from llmsvc_server.rpc.checks import MAX_VIOLATIONS
from llmsvc_server.rpc.details import MAX_STATUS_BYTES, to_status
from llmsvc_server.rpc.parsing import parse_request
from llmsvc_server.rpc.status import to_failure

INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
MAYBE = st.none()
IDS = st.sampled_from(["a", "b", ""]) | TEXT
NAMES = st.sampled_from(["f", "g", "", "a b"]) | TEXT
JSON = st.recursive(
    st.sampled_from(["object", "string", "^a", "#", "#/$defs/a", "(", 1, -1, None, True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "pattern", "$ref", "$defs", "anyOf", "a"]),
            inner,
            max_size=3,
        )
    ),
)


def parts() -> st.SearchStrategy[llm_pb2.ContentPart]:
    unknown = st.just(llm_pb2.ContentPart.FromString(b"\x12\x03abc"))
    call = st.builds(
        llm_pb2.ToolCall,
        id=IDS,
        name=NAMES,
        arguments_json=st.sampled_from(['{"a": 1}', "[]", "{"]) | TEXT,
    )
    result = st.builds(llm_pb2.ToolResult, tool_call_id=IDS, content=TEXT, failed=st.booleans())
    return (
        st.builds(llm_pb2.ContentPart, text=MAYBE | TEXT)
        | st.builds(llm_pb2.ContentPart, tool_call=call)
        | st.builds(llm_pb2.ContentPart, tool_result=result)
        | unknown
    )


def schemas() -> st.SearchStrategy[str]:
    usual = st.sampled_from(["", "{}", "true", '{"type": "object"}', '{"$ref": "#/a"}', "{", "1"])
    return usual | TEXT | st.builds(json.dumps, JSON)


def tools() -> st.SearchStrategy[llm_pb2.Tool]:
    function = st.builds(
        llm_pb2.FunctionTool,
        name=NAMES,
        description=TEXT,
        parameters_json_schema=schemas(),
        conformance_required=st.booleans(),
    )
    return st.builds(llm_pb2.Tool, function=MAYBE | function)


def choices() -> st.SearchStrategy[llm_pb2.ToolChoice]:
    return st.builds(
        llm_pb2.ToolChoice,
        mode=st.integers(0, 4) | INT32,
        allowed_function_names=st.lists(NAMES, max_size=3),
        single_call=st.booleans(),
    )


def formats() -> st.SearchStrategy[llm_pb2.ResponseFormat]:
    shape = st.builds(llm_pb2.JsonSchemaFormat, name=NAMES, schema_json=schemas())
    any_object = st.just(llm_pb2.JsonObjectFormat())
    return st.builds(llm_pb2.ResponseFormat, json_schema=MAYBE | shape) | st.builds(
        llm_pb2.ResponseFormat, json_object=any_object
    )


def messages() -> st.SearchStrategy[llm_pb2.Message]:
    roles = st.integers(0, 5) | INT32
    return st.builds(llm_pb2.Message, role=roles, parts=st.lists(parts(), max_size=4))


def configs() -> st.SearchStrategy[llm_pb2.GenerationConfig]:
    number = MAYBE | st.floats(-3, 3) | st.floats()
    return st.builds(
        llm_pb2.GenerationConfig,
        temperature=number,
        top_p=number,
        top_k=MAYBE | INT32,
        min_p=number,
        frequency_penalty=number,
        presence_penalty=number,
        repeat_penalty=number,
        seed=MAYBE | st.integers(-(2**63), 2**63 - 1),
        max_output_tokens=MAYBE | INT32,
        stop_sequences=st.lists(TEXT, max_size=6),
    )


def policies() -> st.SearchStrategy[llm_pb2.RoutingPolicy]:
    target = st.builds(llm_pb2.RouteTarget, provider=TEXT | st.just("ollama"), model=TEXT)
    return st.builds(
        lambda policy, more: llm_pb2.RoutingPolicy.FromString(policy.SerializeToString() + more),
        st.builds(
            llm_pb2.RoutingPolicy,
            privacy_mode=st.integers(0, 4) | INT32,
            targets=st.lists(target, max_size=10),
            fallback_disabled=st.booleans(),
        ),
        st.just(b"") | st.just(b"\x20\x01"),
    )


def requests() -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda request, more: request.SerializeToString() + more,
        st.builds(
            llm_pb2.ChatRequest,
            model=TEXT,
            messages=st.lists(messages(), max_size=6),
            generation_config=MAYBE | configs(),
            tools=st.lists(tools(), max_size=3),
            tool_choice=MAYBE | choices(),
            response_format=MAYBE | formats(),
            routing_policy=MAYBE | policies(),
            unsupported_feature_action=st.integers(0, 4) | INT32,
        ),
        st.binary(max_size=20) | st.just(b""),
    )


def outcome(raw: bytes) -> InvalidRequest | None:
    try:
        _ = parse_request(raw, Delivery.WHOLE, "")  # what is accepted has a value
    except InvalidRequest as refusal:
        return refusal
    return None


@given(requests() | st.binary(max_size=200))
def test_any_request_is_accepted_or_refused_and_nothing_else(raw: bytes) -> None:
    refusal = outcome(raw)
    told = refusal.violations if refusal else ()

    assert len(told) <= MAX_VIOLATIONS
    assert all(one.description for one in told)
    assert all(one.field or one.reason == "MALFORMED" for one in told)


@given(requests())
def test_any_refusal_fits_its_status(raw: bytes) -> None:
    refusal = outcome(raw)
    assume(refusal is not None)
    assert refusal is not None
    status = to_status(to_failure(refusal), "r" * 64)

    assert status.ByteSize() <= MAX_STATUS_BYTES
