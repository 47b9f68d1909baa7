"""Small requests are decoded without a count, and come to the same as with one."""

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import example, given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import InvalidRequest, Violation
from llmsvc_server.rpc.chat_decoding import SMALL_BYTES, decode_chat, decode_plain
from llmsvc_server.rpc.decoding import decode_message
from llmsvc_server.rpc.wire_scan import MAX_OTHER_FIELDS, Unknown, scan_chat
from tests.fakes.tool_requests import asked, called, function, resulted
from tests.unit.server.rpc.refusals import message, of
from tests.unit.server.rpc.test_wire_scan import (
    CHOICE,
    CONFIG,
    FORMAT,
    MESSAGE,
    OLD,
    OPTIONS,
    PARTS,
    POLICY,
    STOP_SEQUENCES,
    TARGETS,
    TOOL,
    inside,
)

Decode = Callable[[bytes], tuple[llm_pb2.ChatRequest, Unknown]]
MINUS_ONE_CUT_SHORT = b"\x18\xff\xff\xff\xff\x0f"
"""A top_k in five bytes that is written back in ten: it can hide what is missing."""

TEXT = inside(1, b"a")
CALL = inside(1, b"1") + inside(2, b"f") + inside(3, b"{}")
IN_PARTS = (
    b"",
    inside(3, CALL),
    inside(4, TEXT),
    inside(3, b"\x78\x01"),
    TEXT,
    TEXT * 2,
    b"\x78\x01",
    inside(1),
    b"\x0a\x81\x00a",
)
IN_MESSAGES = (b"\x08\x02", b"\x08\x00", b"\x08\xff\xff\xff\xff\x0f", b"\x78\x01", b"\x0b\x0c")
IN_CONFIGS = (MINUS_ONE_CUT_SHORT, b"\x09" + bytes(8), b"\x18\x05", b"\x78\x01", b"\x10\x01")
IN_POLICIES = (b"\x08\x01", b"\x18\x00", b"\x18\x01", b"\x78\x01", inside(9))
IN_TOOLS = (
    b"",
    inside(1),
    inside(1, inside(1, b"f")),
    inside(1, b"\x78\x01"),
    b"\x78\x01",
    b"\x08\x01",
)
IN_CHOICES = (b"\x08\x03", b"\x08\x00", b"\x18\x01", b"\x78\x01", inside(9))
IN_FORMATS = (
    inside(1),
    inside(1, b"\x78\x01"),
    inside(2, inside(2, b"{}")),
    inside(2, b"\x78\x01"),
    b"\x78\x01",
)
AROUND = (inside(1, b"m"), inside(4), b"\x48\x01", b"\x78\x01", b"\x0a\x05a", b"\xff", b"\x10\x01")


def joined(pieces: st.SearchStrategy[bytes], most: int = 6) -> st.SearchStrategy[bytes]:
    return st.lists(pieces, max_size=most).map(b"".join)


def repeated(piece: bytes, *counts: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from(counts).map(lambda count: piece * count)


PART = joined(st.sampled_from(IN_PARTS), 2).map(lambda raw: inside(PARTS, raw))
MESSAGES = joined(st.sampled_from(IN_MESSAGES) | PART | repeated(inside(PARTS), 1, 63, 64, 65)).map(
    lambda raw: inside(MESSAGE, raw)
)
CONFIGS = joined(st.sampled_from(IN_CONFIGS) | repeated(inside(STOP_SEQUENCES, b"x"), 1, 4, 5)).map(
    lambda raw: inside(CONFIG, raw)
)
POLICIES = joined(
    st.sampled_from(IN_POLICIES) | repeated(inside(TARGETS, inside(2, b"m")), 1, 8, 9)
).map(lambda raw: inside(POLICY, raw))
TOOLS = joined(st.sampled_from(IN_TOOLS), 2).map(lambda raw: inside(TOOL, raw))
CHOICES = joined(st.sampled_from(IN_CHOICES) | repeated(inside(2, b"f"), 1, 128, 129)).map(
    lambda raw: inside(CHOICE, raw)
)
FORMATS = joined(st.sampled_from(IN_FORMATS)).map(lambda raw: inside(FORMAT, raw))
SMALL = joined(
    MESSAGES
    | CONFIGS
    | POLICIES
    | TOOLS
    | CHOICES
    | FORMATS
    | repeated(inside(TOOL), 1, 127, 128, 129)
    | st.sampled_from(AROUND)
    | repeated(b"\x78\x01", 1, 63, 64, 65)
    | repeated(inside(MESSAGE), 1, 999, 1000, 1001)
    | joined(st.binary(max_size=3), 1).map(lambda raw: inside(OPTIONS, raw))
)


def counted(raw: bytes) -> tuple[llm_pb2.ChatRequest, Unknown]:
    """Count first, then decode, as for large requests."""
    unknown = scan_chat(raw)
    return decode_message(llm_pb2.ChatRequest.FromString, raw), unknown


def outcome(decode: Decode, raw: bytes) -> list[Violation] | tuple[bytes, Unknown]:
    """Return what is wrong, else what is known of it, and the unknown that counts."""
    try:
        request, unknown = decode(raw)
    except InvalidRequest as error:
        return list(error.violations)
    request.DiscardUnknownFields()
    return request.SerializeToString(), unknown


@given(SMALL)
@example(inside(CONFIG, MINUS_ONE_CUT_SHORT + b"\x18\x05" * 65))
@example(inside(CONFIG, b"\x10\x01" + MINUS_ONE_CUT_SHORT))
def test_a_small_request_comes_to_the_same_as_if_it_had_been_counted(raw: bytes) -> None:
    assert outcome(counted, raw) == outcome(decode_chat, raw)


@given(
    st.lists(st.sampled_from([*range(256), 0x0A, 0x12, 0x1A, 0x42, 0x52]), max_size=60).map(bytes)
)
def test_so_do_any_bytes(raw: bytes) -> None:
    assert outcome(counted, raw) == outcome(decode_chat, raw)


def with_format() -> llm_pb2.ChatRequest:
    """Return a request for JSON."""
    request = asked()
    request.response_format.json_schema.schema_json = "{}"
    return request


def request_with(
    *, parts: int = 1, stops: int = 0, targets: int = 0, messages: int = 1, tools: int = 0
) -> bytes:
    """Return a request as a caller writes it."""
    request = of(*[message(llm_pb2.ROLE_USER, *["x"] * parts)] * messages)
    if stops:
        request.generation_config.stop_sequences.extend(["x"] * stops)
    if targets:
        request.routing_policy.targets.extend([llm_pb2.RouteTarget(model="m")] * targets)
    request.tools.extend([function()] * tools)
    return request.SerializeToString()


@given(
    parts=st.integers(0, 66),
    stops=st.integers(0, 5),
    targets=st.integers(0, 9),
    messages=st.integers(0, 20),
    tools=st.integers(0, 130),
)
def test_so_does_what_callers_write(
    parts: int, stops: int, targets: int, messages: int, tools: int
) -> None:
    raw = request_with(parts=parts, stops=stops, targets=targets, messages=messages, tools=tools)

    assert outcome(counted, raw) == outcome(decode_chat, raw)


@pytest.mark.parametrize(
    "raw",
    [
        OLD,
        request_with(parts=64),
        request_with(stops=4),
        request_with(targets=8),
        request_with(messages=50),
        request_with(tools=60),
        inside(TOOL) * 128,
        asked(called(), resulted()).SerializeToString(),
        with_format().SerializeToString(),
        inside(MESSAGE) * 1000,
        of(message(llm_pb2.ROLE_USER, "x" * (SMALL_BYTES - 11))).SerializeToString(),
    ],
)
def test_what_callers_write_needs_no_count(raw: bytes) -> None:
    request = decode_plain(raw)

    assert len(raw) <= SMALL_BYTES
    assert request is not None
    assert raw == request.SerializeToString()


@pytest.mark.parametrize(
    "raw",
    [
        request_with(parts=258),
        request_with(stops=5),
        request_with(targets=9),
        inside(MESSAGE) * 1001,
        inside(TOOL) * 129,
        inside(TOOL, b"\x78\x01"),
        inside(TOOL, inside(1, b"\x78\x01")),
        inside(CHOICE, b"\x18\x01"),
        inside(FORMAT, inside(1, b"\x78\x01")),
        inside(FORMAT, inside(1) + inside(2)),
        inside(MESSAGE, inside(PARTS) * 258),
        OLD + inside(1, b"m") * 2,
        OLD + b"\x78\x01",
        OLD + b"\x0b\x0c",
        OLD + inside(CONFIG, b"\x09" + bytes(8)) * 2,
        inside(MESSAGE, b"\x08\x00"),
        b"\x0a\x05a",
    ],
)
def test_what_a_count_might_refuse_is_counted(raw: bytes) -> None:
    assert decode_plain(raw) is None


def test_no_type_of_message_has_as_many_fields_as_a_message_may_hold() -> None:
    def kinds(kind: Descriptor) -> Iterator[Descriptor]:
        yield kind
        for one in kind.fields:
            if one.message_type is not None:
                yield from kinds(one.message_type)

    assert all(
        len(kind.fields) < MAX_OTHER_FIELDS for kind in kinds(llm_pb2.ChatRequest.DESCRIPTOR)
    )
