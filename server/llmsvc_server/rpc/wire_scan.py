"""What a serialised ChatRequest holds, counted before anybody decodes it.

Two bytes on the wire, an empty element of a list, become a hundred in memory. So the lists are
counted over the bytes, and the first bound that is passed ends the count. The same walk finds the
fields that this version does not know and must not ignore, without a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import InvalidRequest, Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.rpc.decoding import malformed_request

LIST_BOUNDS = {
    "messages": 1000,
    "messages[{}].parts": 257,  # as many as an answer may have: 128 calls, and texts around them
    "generation_config.stop_sequences": 4,
    "tools": 128,
    "tool_choice.allowed_function_names": 128,
    "routing_policy.targets": 8,
}
"""Path of a list -> how many elements it may have."""

MAX_OTHER_FIELDS = 64
"""Fields of one message that are no elements of such lists: repeated and unknown ones."""

BOUNDS_IN_ALL = {"messages[{}].parts": 4096}
"""Path of a list inside the elements of another -> how many elements all such lists may have together.

Each costs 3 us until the request is a value, and all that happens in one step.
"""

MAX_OTHER_FIELDS_IN_ALL = 8192
"""Other fields in the elements of lists, together: a role a message, a text a part, and some more."""

CLOSED = frozenset(
    (
        "routing_policy",
        "routing_policy.targets[{}]",
        "response_format",
        "response_format.json_object",
        "response_format.json_schema",
        "tool_choice",
        "tools[{}]",
        "tools[{}].function",
    )
)
"""Paths of messages in which what is not known is refused: it may be a restriction."""

NEWER_FIELDS = {7: "thinking_config"}
"""Fields of later versions that restrict or shape the answer, so that they must not be lost."""

TOO_OLD = "this server is too old for it; leave it out"
"""The remedy."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_ONE_BYTE = 0x7F
_MAX_VARINT_BYTES = 10
_FIELD_BYTES = 2  # at least
_WRITTEN_AS = {
    FieldDescriptor.TYPE_BOOL: _VARINT,
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_ENUM: _VARINT,
    FieldDescriptor.TYPE_INT32: _VARINT,
    FieldDescriptor.TYPE_INT64: _VARINT,
    FieldDescriptor.TYPE_MESSAGE: _LENGTH,
    FieldDescriptor.TYPE_STRING: _LENGTH,
}
"""The wire types of what requests are made of."""


@dataclass(frozen=True, slots=True, eq=False)
class _BoundInAll:
    """How often something may stand in a request: what it is called, and how often."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    """How often something may stand in one message: what it is called there, and how often."""

    name: str
    limit: int
    in_all: _BoundInAll


_OTHERS_IN_ALL = _BoundInAll("fields besides its lists", MAX_OTHER_FIELDS_IN_ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How a type of message is looked at. Keys are tags: a field's number and wire type in one.

    `path` has a place for the index where it is an element of a list. What has no bound of its own
    is one of the `others`; what is in `inside` is looked into, unless it has at most
    `harmless_bytes`, too few for any bound: it `is_simple`, without lists and nowhere closed.
    """

    path: str
    bounds: Mapping[int, _Bound]
    others: _Bound
    inside: "Mapping[int, _Shape]"
    known: frozenset[int]
    is_closed: bool
    newer: Mapping[int, str]
    is_simple: bool
    harmless_bytes: int


@dataclass(slots=True)
class Unknown:
    """What this version does not know and must not ignore: paths of messages, names of fields."""

    inside: set[str] = field(default_factory=set)
    newer: set[str] = field(default_factory=set)

    def newer_violations(self) -> list[Violation]:
        """Return one violation per field of a later version, in the order of their numbers."""
        names = [name for name in NEWER_FIELDS.values() if name in self.newer]
        return [Violation(name, Why.UNKNOWN, TOO_OLD) for name in names]


def scan_chat(raw: bytes) -> Unknown:
    """Count what is in a serialised ChatRequest.

    Raises:
        InvalidRequest: A list is too long, a message has too many fields, or this is no message.
    """
    seen = _Seen()
    try:
        _scan(raw, 0, len(raw), _CHAT, (), {}, seen)
    except IndexError:
        raise malformed_request() from None
    return seen.unknown


@dataclass(slots=True)
class _Seen:
    """What was found so far: the unknown, and how often what is bounded in all stood there."""

    unknown: Unknown = field(default_factory=Unknown)
    in_all: dict[_BoundInAll, int] = field(default_factory=dict)


def _scan(  # noqa: C901, PLR0913, PLR0917  a walk's steps and state, without a call for each
    raw: bytes,
    at: int,
    end: int,
    shape: _Shape,
    index: tuple[int, ...],
    tally: dict[_Bound, int],
    seen: _Seen,
) -> None:
    """Count what is in the message from `at` to `end`; `index` is its own in its list, or lists.

    `tally` has what was counted in it before: a message that is no element of a list may come in
    pieces, which a decoder merges.
    """
    bounds, others, inside, known = shape.bounds, shape.others, shape.inside, shape.known
    while at < end:
        tag = raw[at]
        at += 1
        if tag > _ONE_BYTE:
            tag, at = _varint(raw, at - 1)
        if tag & 7 == _LENGTH:
            length = raw[at]
            at += 1
            if length > _ONE_BYTE:
                length, at = _varint(raw, at - 1)
            begins, at = at, at + length
        else:
            begins = at = _end_of_scalar(raw, at, tag & 7)
        bound = bounds.get(tag, others)
        tally[bound] = number = tally.get(bound, 0) + 1
        if number > bound.limit:
            raise _too_many(shape, index, bound, seen.unknown)
        if tag not in known:
            _note(shape, index, tag, seen.unknown)
        elif tag in inside:
            if bound is others:
                _scan(raw, begins, min(at, end), inside[tag], index, tally, seen)
            elif at - begins > inside[tag].harmless_bytes:
                of_it: dict[_Bound, int] = {}
                _scan(raw, begins, min(at, end), inside[tag], (*index, number - 1), of_it, seen)
                _add(of_it, inside[tag], seen)
    if at != end:
        raise IndexError


def _add(tally: dict[_Bound, int], shape: _Shape, seen: _Seen) -> None:
    """Add what one element of a list held to what all of them hold."""
    for bound, number in tally.items():
        in_all = bound.in_all
        seen.in_all[in_all] = so_far = seen.in_all.get(in_all, 0) + number
        if so_far > in_all.limit:
            raise _too_many_in_all(shape, in_all, seen.unknown)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number of at least two bytes, and where it ends."""
    second = raw[at + 1]
    value = raw[at] & _ONE_BYTE | (second & _ONE_BYTE) << 7
    if second <= _ONE_BYTE:
        return value, at + 2
    for place in range(2, _MAX_VARINT_BYTES):
        byte = raw[at + place]
        value |= (byte & _ONE_BYTE) << 7 * place
        if byte <= _ONE_BYTE:
            return value, at + place + 1
    raise IndexError


def _end_of_scalar(raw: bytes, at: int, written_as: int) -> int:
    if written_as == _VARINT:
        return at + 1 if raw[at] <= _ONE_BYTE else _varint(raw, at)[1]
    if written_as == _FIXED64:
        return at + 8
    if written_as == _FIXED32:
        return at + 4
    raise IndexError  # groups are no part of proto3


def _too_many(
    shape: _Shape, index: tuple[int, ...], bound: _Bound, unknown: Unknown
) -> InvalidRequest:
    path = shape.path.format(*index)
    if bound is shape.others:
        wrong = Violation(
            path, Why.TOO_MANY, f"send at most {bound.limit} fields besides its lists"
        )
    else:
        where = f"{path}.{bound.name}" if path else bound.name
        wrong = Violation(where, Why.TOO_MANY, f"send at most {bound.limit}")
    return InvalidRequest([wrong, *unknown.newer_violations()])


def _too_many_in_all(shape: _Shape, in_all: _BoundInAll, unknown: Unknown) -> InvalidRequest:
    outermost, _, _ = shape.path.partition("[")
    remedy = f"send at most {in_all.limit} {in_all.name} in all"
    return InvalidRequest([Violation(outermost, Why.TOO_MANY, remedy), *unknown.newer_violations()])


def _note(shape: _Shape, index: tuple[int, ...], tag: int, unknown: Unknown) -> None:
    if shape.is_closed:
        unknown.inside.add(shape.path.format(*index))
    elif tag in shape.newer:
        unknown.newer.add(shape.newer[tag])


def _shape_of(message: Descriptor, path: str = "") -> _Shape:
    others = _Bound("", MAX_OTHER_FIELDS, _OTHERS_IN_ALL)
    bounds, inside = {}, {}
    for one in message.fields:
        inner = f"{path}.{one.name}" if path else one.name
        if one.is_repeated:
            bounds[_tag(one)] = _bound(one.name, inner)
            inner += "[{}]"
        if one.message_type is not None:
            inside[_tag(one)] = _shape_of(one.message_type, inner)
    is_simple = not bounds and path not in CLOSED and all(one.is_simple for one in inside.values())
    return _Shape(
        path=path,
        bounds=bounds,
        others=others,
        inside=inside,
        known=frozenset(_tag(one) for one in message.fields),
        is_closed=path in CLOSED,
        newer={} if path else _newer_tags(),
        is_simple=is_simple,
        harmless_bytes=_FIELD_BYTES * others.limit if is_simple and path.endswith("]") else -1,
    )


def _bound(name: str, path: str) -> _Bound:
    limit = LIST_BOUNDS[path]
    return _Bound(name, limit, _BoundInAll(name, BOUNDS_IN_ALL.get(path, limit)))


def _tag(one: FieldDescriptor) -> int:
    return one.number << 3 | _WRITTEN_AS[one.type]


def _newer_tags() -> dict[int, str]:
    """Return them with every wire type: whichever it is, the caller meant the field."""
    return {
        number << 3 | written_as: name
        for number, name in NEWER_FIELDS.items()
        for written_as in (_VARINT, _FIXED64, _LENGTH, _FIXED32)
    }


_CHAT = _shape_of(llm_pb2.ChatRequest.DESCRIPTOR)
