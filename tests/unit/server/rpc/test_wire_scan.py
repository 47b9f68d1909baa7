"""Lists are counted and unknown fields found on the wire, whatever way they are written there."""

import tracemalloc
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import InvalidRequest, Violation, ViolationReason
from llmsvc_server.rpc.parsing import parse_request
from llmsvc_server.rpc.wire_scan import LIST_BOUNDS, NEWER_FIELDS, scan_chat
from tests.unit.server.rpc.refusals import message, of

OLD = of(message()).SerializeToString()
TOO_OLD = "this server is too old for it; leave it out"
MESSAGE, CONFIG, TOOL, CHOICE, FORMAT, POLICY, OPTIONS = 2, 3, 4, 5, 6, 8, 10
PARTS, STOP_SEQUENCES, ALLOWED, TARGETS = 2, 10, 2, 2


def number(value: int, *, padding: int = 0) -> bytes:
    """Return a varint, on demand longer than it has to be."""
    coded = bytearray()
    while value > 0x7F or padding:
        coded.append(value & 0x7F | 0x80)
        padding -= value <= 0x7F
        value >>= 7
    return bytes([*coded, value])


def inside(field: int, content: bytes = b"", *, padding: int = 0) -> bytes:
    """Return a field with a length: a message, or a text."""
    tag = number(field << 3 | 2, padding=padding)
    return tag + number(len(content), padding=padding) + content


def told(raw: bytes) -> list[tuple[str, str, str]]:
    """Return field, reason and remedy of what is wrong."""
    try:
        _ = parse_request(raw, Delivery.WHOLE, "")
    except InvalidRequest as error:
        return [(one.field, one.reason, one.description) for one in error.violations]
    return []


MANY = 400_000
LISTS = {
    "messages": (inside(MESSAGE) * MANY, "messages", 1000),
    "parts": (inside(MESSAGE, inside(PARTS) * MANY), "messages[1].parts", 257),
    "stop sequences": (
        inside(CONFIG, inside(STOP_SEQUENCES) * MANY),
        "generation_config.stop_sequences",
        4,
    ),
    "stop sequences in pieces": (
        inside(CONFIG, inside(STOP_SEQUENCES) * 3) * MANY,
        "generation_config.stop_sequences",
        4,
    ),
    "targets": (inside(POLICY, inside(TARGETS) * MANY), "routing_policy.targets", 8),
    "targets in pieces": (inside(POLICY, inside(TARGETS)) * MANY, "routing_policy.targets", 8),
    "tools": (inside(TOOL) * MANY, "tools", 128),
    "functions": (inside(TOOL, inside(1)) * MANY, "tools", 128),
    "allowed names": (
        inside(CHOICE, inside(ALLOWED) * MANY),
        "tool_choice.allowed_function_names",
        128,
    ),
    "allowed names in pieces": (
        inside(CHOICE, inside(ALLOWED, b"f") * 100) * (MANY // 100),
        "tool_choice.allowed_function_names",
        128,
    ),
    "written longer than need be": (inside(MESSAGE, padding=3) * MANY, "messages", 1000),
}
OTHERS = {
    "the model": (inside(1, b"m") * MANY, ""),
    "the same piece": (inside(OPTIONS, b"\x08\x01") * MANY, ""),
    "empty pieces": (inside(CONFIG) * MANY, ""),
    "roles": (inside(MESSAGE, b"\x08\x02" * MANY), "messages[1]"),
    "temperatures": (inside(CONFIG, b"\x09" + bytes(8)) * MANY, ""),
    "temperatures in one piece": (
        inside(CONFIG, (b"\x09" + bytes(8)) * MANY),
        "generation_config",
    ),
    "unknown numbers": (b"\x78\x01" * MANY, ""),
    "unknown texts": (inside(200) * MANY, ""),
    "unknown fixed ones": (b"\x7d\x01\x02\x03\x04" * MANY, ""),
    "unknown in a message": (inside(MESSAGE, b"\x78\x01" * MANY), "messages[1]"),
    "unknown in a part": (
        inside(MESSAGE, inside(PARTS, b"\x78\x01" * MANY)),
        "messages[1].parts[0]",
    ),
    "texts of one part": (
        inside(MESSAGE, inside(PARTS, b"x") + inside(PARTS, inside(1) * MANY)),
        "messages[1].parts[1]",
    ),
    "an interval": (
        inside(OPTIONS, inside(2, b"\x08\x02" * MANY)),
        "stream_options.progress_interval",
    ),
    "an interval in pieces": (
        inside(OPTIONS, inside(2, b"\x08\x02" * 3)) * MANY,
        "stream_options.progress_interval",
    ),
    "stream options": (inside(OPTIONS, b"\x08\x01" * MANY), "stream_options"),
    "unknown in a policy": (inside(POLICY, b"\x78\x01" * MANY), "routing_policy"),
    "unknown in a target": (
        inside(POLICY, inside(TARGETS, b"\x78\x01" * MANY)),
        "routing_policy.targets[0]",
    ),
    "functions of one tool": (inside(TOOL, inside(1) * MANY), "tools[0]"),
    "names of one function": (inside(TOOL, inside(1, inside(1, b"f") * MANY)), "tools[0].function"),
    "modes": (inside(CHOICE, b"\x08\x01" * MANY), "tool_choice"),
    "choices": (inside(CHOICE, b"\x08\x01") * MANY, ""),
    "formats": (inside(FORMAT, inside(1)) * MANY, ""),
    "formats in one": (inside(FORMAT, inside(1) * MANY), "response_format"),
    "unknown in a format": (
        inside(FORMAT, inside(2, b"\x78\x01" * MANY)),
        "response_format.json_schema",
    ),
    "calls of one part": (
        inside(MESSAGE, inside(PARTS, inside(3, inside(1, b"1")) * MANY)),
        "messages[1].parts[0]",
    ),
    "ids of one call": (
        inside(MESSAGE, inside(PARTS, inside(3, inside(1, b"1") * MANY))),
        "messages[1].parts[0].tool_call",
    ),
    "unknown in a result": (
        inside(MESSAGE, inside(PARTS, inside(4, b"\x78\x01" * MANY))),
        "messages[1].parts[0].tool_result",
    ),
    "a list of the wrong type": (b"\x10\x01" * MANY, ""),
}


IN_ALL = {
    "parts": (inside(MESSAGE, inside(PARTS, inside(1, b"x")) * 64) * 1000, "4096 parts"),
    "empty parts": (inside(MESSAGE, inside(PARTS) * 64) * 1000, "4096 parts"),
    "parts, five a message": (
        inside(MESSAGE, inside(PARTS, inside(1, b"x")) * 5) * 990,
        "4096 parts",
    ),
    "roles": (inside(MESSAGE, b"\x08\x02" * 60) * 900, "8192 fields besides its lists"),
    "unknown": (inside(MESSAGE, b"\x78\x01" * 60) * 900, "8192 fields besides its lists"),
    "unknown in parts": (
        inside(MESSAGE, inside(PARTS, inside(1, b"x" * 20) + b"\x78\x01" * 60)) * 900,
        "8192 fields besides its lists",
    ),
}


@pytest.mark.parametrize("name", IN_ALL)
def test_what_each_message_may_have_is_bounded_in_all_of_them_together(name: str) -> None:
    raw, most = IN_ALL[name]

    assert [("messages", "TOO_MANY", f"send at most {most} in all")] == cheaply_told(OLD + raw)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_too_long_is_refused_before_it_takes_memory(name: str) -> None:
    raw, field, most = LISTS[name]

    assert [(field, "TOO_MANY", f"send at most {most}")] == cheaply_told(OLD + raw)


@pytest.mark.parametrize("name", OTHERS)
def test_more_fields_than_any_request_has_are_refused_before_they_take_memory(name: str) -> None:
    raw, field = OTHERS[name]
    remedy = "send at most 64 fields besides its lists"

    assert [(field, "TOO_MANY", remedy)] == cheaply_told(OLD + raw)


def cheaply_told(raw: bytes) -> list[tuple[str, str, str]]:
    tracemalloc.start()
    try:
        outcome = told(raw)
        _, max_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max_bytes < 100_000
    return outcome


def test_the_longest_lists_that_are_allowed_are_accepted() -> None:
    def turn(parts: int) -> bytes:
        return inside(MESSAGE, b"\x08\x02" + inside(PARTS, inside(1, b"x" * 200)) * parts)

    turns = turn(64) * 49 + turn(10) + turn(1) * 950
    config = inside(CONFIG, inside(STOP_SEQUENCES, b"x") * 2) * 2
    policy = inside(POLICY, inside(TARGETS, inside(2, b"m")) * 4) * 2

    assert [] == told(turns + config + policy)


def test_every_list_of_a_request_has_a_bound() -> None:
    def lists(kind: Descriptor, path: str) -> Iterator[str]:
        for one in kind.fields:
            inner = f"{path}{one.name}"
            if one.is_repeated:
                yield inner
                inner += "[{}]"
            if one.message_type is not None:
                yield from lists(one.message_type, f"{inner}.")

    assert set(LIST_BOUNDS) == set(lists(llm_pb2.ChatRequest.DESCRIPTOR, ""))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0b\x0c",
        b"\x13\x12\x00\x14",
        b"\x0e",
        b"\x08" + b"\x80" * 11,
        b"\x0a\x05a",
        b"\x0a",
        b"\x0d\x01",
        inside(MESSAGE, b"\x12\x05a"),
        inside(MESSAGE, b"\x08"),
        inside(MESSAGE, b"\x0d\x00"),
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_what_is_cut_or_no_message_is_refused(raw: bytes) -> None:
    expected = [("", "MALFORMED", "not a message of this method's type")]

    assert expected == told(OLD + raw)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (inside(7), "thinking_config"),
        (inside(7, b"abc"), "thinking_config"),
        (inside(7) * 50, "thinking_config"),
        (b"\x38\x01", "thinking_config"),
    ],
)
def test_a_field_of_a_later_version_that_restricts_is_refused_by_name(
    raw: bytes, name: str
) -> None:
    assert [(name, "UNKNOWN", TOO_OLD)] == told(OLD + raw)


def test_it_is_named_once_however_often_and_wherever_it_stands() -> None:
    raw = inside(7) + OLD + inside(7) + inside(7)

    assert ["thinking_config"] == [field for field, _, _ in told(raw)]


def test_those_that_came_before_too_many_are_named_as_well() -> None:
    outcome = [(field, reason) for field, reason, _ in told(OLD + inside(7) * MANY)]

    assert [("", "TOO_MANY"), ("thinking_config", "UNKNOWN")] == outcome


def test_other_unknown_fields_are_ignored() -> None:
    raw = OLD + inside(CONFIG) + inside(11, b"x") + b"\x78\x01" + b"\x98\x06\x01"

    assert [] == told(raw)


def test_none_of_them_is_in_the_contract_yet() -> None:
    assert not NEWER_FIELDS.keys() & llm_pb2.ChatRequest.DESCRIPTOR.fields_by_number.keys()


@given(
    st.lists(
        st.sampled_from([*range(256), 0x0A, 0x12, 0x1A, 0x42, 0x52, 0x02, 0x04]), max_size=60
    ).map(bytes)
)
def test_what_the_scan_lets_through_has_no_more_than_the_decoder_finds(raw: bytes) -> None:
    """Hold the scan to the decoder: it counts the same, and never knows better."""
    request = llm_pb2.ChatRequest()
    try:
        request.ParseFromString(raw)
    except DecodeError:
        return
    try:
        unknown = scan_chat(raw)
    except InvalidRequest as refusal:
        (only,) = refusal.violations
        assert only in {
            Violation("", ViolationReason.MALFORMED, "not a message of this method's type"),
            too_many("routing_policy.targets", 8, len(request.routing_policy.targets)),
            too_many("tools", 128, len(request.tools)),
            too_many(
                "generation_config.stop_sequences", 4, len(request.generation_config.stop_sequences)
            ),
        }
        return
    assert len(request.routing_policy.targets) <= 8
    assert len(request.generation_config.stop_sequences) <= 4
    closed = (request.routing_policy, request.tool_choice, request.response_format, *request.tools)
    assert bool(unknown.inside) == any(map(has_unknown, closed))


def too_many(field: str, most: int, count: int) -> Violation | None:
    if count <= most:
        return None
    return Violation(field, ViolationReason.TOO_MANY, f"send at most {most}")


def has_unknown(message: Message) -> bool:
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()
