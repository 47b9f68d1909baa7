"""Bytes that are no request, requests that are too large, methods that do not exist."""

from collections.abc import Callable, Iterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import Told, told
from tests.fakes.requests import chat_message

CHAT = "/llmsvc.v1.LLMService/Chat"
CHAT_STREAM = "/llmsvc.v1.LLMService/ChatStream"
MIB = 1024 * 1024
NO_MESSAGES = [b"\xff", b"\x0a", b"\x0a\x05a", b"\x0a\x01\xff", b"\x00", b"\x13" * 100]
"""A cut tag, a missing length, a cut string, invalid UTF-8, field 0, groups without an end."""


def sent(channel: grpc.Channel, method: str, request: bytes) -> Told | None:
    """Send raw bytes; return what was told, None if the call succeeded."""
    connect = channel.unary_stream if method.endswith(("Stream", "Watch")) else channel.unary_unary
    call: Callable[..., object] = connect(method, bytes, bytes)
    try:
        answer = call(request, timeout=10)
        if isinstance(answer, Iterator):
            next(answer)
    except grpc.RpcError as error:
        return told(error)
    return None


@pytest.mark.parametrize("request_", NO_MESSAGES)
@pytest.mark.parametrize(
    "method",
    [CHAT, CHAT_STREAM, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"],
)
def test_bytes_that_are_no_message_are_an_invalid_request(
    grpc_channel: grpc.Channel, method: str, request_: bytes
) -> None:
    outcome = sent(grpc_channel, method, request_)
    assert outcome is not None
    (violation,) = outcome.detail(error_details_pb2.BadRequest).field_violations

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert ("", "MALFORMED") == (violation.field, violation.reason)
    assert outcome.request_id
    assert "request: not a message of this method's type" == outcome.message


@pytest.mark.parametrize("method", [CHAT, CHAT_STREAM])
def test_too_many_parts_in_all_are_an_invalid_request(
    grpc_channel: grpc.Channel, method: str
) -> None:
    parts = [llm_pb2.ContentPart(text="x")] * 64
    turn = llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=parts)
    outcome = sent(
        grpc_channel, method, llm_pb2.ChatRequest(messages=[turn] * 65).SerializeToString()
    )
    assert outcome is not None
    (violation,) = outcome.detail(error_details_pb2.BadRequest).field_violations

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert ("messages", "TOO_MANY") == (violation.field, violation.reason)
    assert "messages: send at most 4096 parts in all" == outcome.message


@pytest.mark.parametrize("method", ["Check", "Watch", "List"])
def test_a_health_request_that_is_too_long_is_an_invalid_request(
    grpc_channel: grpc.Channel, method: str
) -> None:
    name = health_pb2.HealthCheckRequest(service="x" * 4096).SerializeToString()
    outcome = sent(grpc_channel, f"/grpc.health.v1.Health/{method}", name)
    assert outcome is not None

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert "request: send at most 4096 bytes" == outcome.message


@pytest.mark.parametrize("method", [CHAT, CHAT_STREAM, "/grpc.health.v1.Health/Check"])
def test_a_call_without_a_message_is_an_invalid_request(
    grpc_channel: grpc.Channel, method: str
) -> None:
    call: Callable[..., object] = grpc_channel.stream_unary(method, bytes, bytes)
    with pytest.raises(grpc.RpcError) as raised:
        call(iter(()), timeout=10)
    outcome = told(raised.value)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert "request: send one message" == outcome.message


def test_an_empty_request_is_told_what_it_lacks(grpc_channel: grpc.Channel) -> None:
    outcome = sent(grpc_channel, CHAT, b"")
    assert outcome is not None

    assert "messages: send at least one user message" == outcome.message


@pytest.mark.parametrize(
    "method",
    [
        "/llmsvc.v1.LLMService/Nope",
        "/llmsvc.v1.Nope/Chat",
        "/grpc.health.v1.Health/Nope",
        "/",
        "/x",
        "/llmsvc.v1.LLMService/",
    ],
)
def test_a_method_that_does_not_exist_is_unimplemented(
    grpc_channel: grpc.Channel, method: str
) -> None:
    outcome = sent(grpc_channel, method, b"")
    assert outcome is not None

    assert "UNIMPLEMENTED" == outcome.code


def test_messages_above_the_limit_are_refused_by_grpc(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        grpc_stub.Chat(chat_message("x" * 5 * MIB), timeout=30)

    assert "RESOURCE_EXHAUSTED" == told(raised.value).code


def test_messages_below_it_are_checked_by_us(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        grpc_stub.Chat(chat_message("x" * (5 * MIB - 100)), timeout=30)
    (violation,) = told(raised.value).detail(error_details_pb2.BadRequest).field_violations

    assert ("messages", "TOO_LONG") == (violation.field, violation.reason)


def test_fields_of_later_versions_that_restrict_are_refused(grpc_channel: grpc.Channel) -> None:
    later = b"\x42\x02\x20\x01" + b"\x3a\x00"  # routing_policy {4: 1}, and thinking_config
    request = chat_message().SerializeToString() + later
    outcome = sent(grpc_channel, CHAT_STREAM, request)
    assert outcome is not None
    violations = outcome.detail(error_details_pb2.BadRequest).field_violations

    assert [("routing_policy", "UNKNOWN"), ("thinking_config", "UNKNOWN")] == [
        (one.field, one.reason) for one in violations
    ]


def test_more_metadata_than_is_allowed_is_refused_by_grpc(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        grpc_stub.Chat(chat_message(), metadata=(("x-large", "x" * 40_000),), timeout=10)

    assert told(raised.value).code in {"RESOURCE_EXHAUSTED", "INTERNAL"}


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    request_=st.binary(max_size=200)
    | st.builds(
        lambda *parts: b"".join(parts), st.just(chat_message().SerializeToString()), st.binary()
    ),
    method=st.sampled_from([CHAT, CHAT_STREAM]),
)
def test_whatever_arrives_is_answered_or_invalid(
    grpc_channel: grpc.Channel, request_: bytes, method: str
) -> None:
    outcome = sent(grpc_channel, method, request_)
    told_ = ("OK", "") if outcome is None else (outcome.code, outcome.reason)

    assert told_ in {
        ("OK", ""),
        ("INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("NOT_FOUND", "MODEL_NOT_FOUND"),
    }


def test_after_all_that_the_server_is_as_it_was(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    response = grpc_stub.Chat(chat_message(), timeout=10)
    service = served.service
    served.wait_until(lambda: not (len(service.in_flight) or service.admission.running))

    assert llm_pb2.FINISH_REASON_STOP == response.finish_reason
