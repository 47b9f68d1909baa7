import tracemalloc

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation, ViolationReason
from llmsvc_server.rpc.newer_fields import NEWER_FIELDS, newer_fields
from tests.unit.server.rpc.refusals import message, of, told

OLD = of(message()).SerializeToString()


def bytes_field(number: int, content: bytes = b"") -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (bytes_field(4, b"abc"), "tools"),
        (bytes_field(5), "tool_choice"),
        (bytes_field(6), "response_format"),
        (bytes_field(7), "thinking_config"),
        (b"\x48\x01", "unsupported_feature_action"),
    ],
)
def test_a_field_of_a_later_version_that_restricts_is_refused_by_name(
    raw: bytes, name: str
) -> None:
    request = llm_pb2.ChatRequest.FromString(OLD + raw)
    remedy = "this server is too old for it; leave it out"

    assert [Violation(name, ViolationReason.UNKNOWN, remedy)] == told(request)


def test_each_is_named_once_in_order_however_often_and_wherever_it_stands() -> None:
    raw = bytes_field(7) + bytes_field(4) + OLD + bytes_field(4) + bytes_field(4)

    assert ["tools", "thinking_config"] == newer_fields(raw)


def test_other_unknown_fields_are_ignored() -> None:
    raw = OLD + bytes_field(3, b"") + bytes_field(11, b"x") + b"\x78\x01" + b"\x98\x06\x01"

    assert [] == told(llm_pb2.ChatRequest.FromString(raw))


def test_none_of_them_is_in_the_contract_yet() -> None:
    assert not NEWER_FIELDS.keys() & llm_pb2.ChatRequest.DESCRIPTOR.fields_by_number.keys()


@pytest.mark.parametrize("raw", [b"\x78\x01", b"\x22\x00"], ids=["ignored", "refused"])
def test_hundreds_of_thousands_of_unknown_fields_cost_no_memory(raw: bytes) -> None:
    request = llm_pb2.ChatRequest.FromString(OLD + raw * 400_000)
    tracemalloc.start()
    try:
        _ = told(request)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most_bytes < 2 * request.ByteSize()
