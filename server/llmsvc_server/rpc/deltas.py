"""A stream's pieces, encoded by hand: most of what the server sends.

`ChatStreamResponse` with nothing but `delta`, and in it a piece of a text, a call or a refusal. The
message itself takes seven times as long (docs/facts/hot-path.md 4), and one for all pieces would keep
each text that it was ever given.
"""

from llmsvc_server.chat.parts import Piece, Refusal

_DELTA = 0x1A
"""Tag of `ChatStreamResponse.delta`: field 3, a message."""

_PART_INDEX = 0x08
"""Tag of `PartDelta.part_index`: field 1, a number; 0 is not written."""

_TEXT = 0x12
"""Tag of `PartDelta.text`: field 2, a text."""

_TOOL_CALL = 0x22
"""Tag of `PartDelta.tool_call`: field 4, a message."""

_REFUSAL = 0x2A
"""Tag of `PartDelta.refusal`: field 5, a text."""

_ID, _NAME, _ARGUMENTS = 0x0A, 0x12, 0x1A
"""Tags of `ToolCallDelta.id`, `name` and `arguments_json`: fields 1 to 3, texts."""

_ONE_BYTE = 0x80
"""Lengths below it take one byte."""

_SHORT = tuple(bytes((_DELTA, size + 2, _TEXT, size)) for size in range(_ONE_BYTE - 2))


def encode_delta(text: str, part_index: int = 0) -> bytes:
    """Return the message that says `text`, more of the part of that number."""
    data = text.encode()
    size = len(data)
    if size < len(_SHORT) and not part_index:
        return _SHORT[size] + data
    return _encode(_TEXT, data, part_index)


def encode_piece(piece: Piece, part_index: int) -> bytes:
    """Return the message that says a piece of any kind, more of the part of that number."""
    if isinstance(piece, str):
        return encode_delta(piece, part_index)
    if isinstance(piece, Refusal):
        return _encode(_REFUSAL, piece.text.encode(), part_index)
    call = _fields((_ID, piece.id), (_NAME, piece.name), (_ARGUMENTS, piece.arguments_json))
    return _encode(_TOOL_CALL, call, part_index)


def _encode(tag: int, data: bytes, part_index: int) -> bytes:
    """Return the message that has `data` under `tag` of its delta."""
    index = (_PART_INDEX, *_varint(part_index)) if part_index else ()
    head = bytes((*index, tag, *_varint(len(data))))
    return bytes((_DELTA, *_varint(len(head) + len(data)))) + head + data


def _fields(*texts: tuple[int, str]) -> bytes:
    """Return texts behind their tags; an empty one is not written."""
    encoded = [(tag, text.encode()) for tag, text in texts if text]
    return b"".join([bytes((tag, *_varint(len(data)))) + data for tag, data in encoded])


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number >= _ONE_BYTE:
        digits.append(number % _ONE_BYTE | _ONE_BYTE)
        number //= _ONE_BYTE
    digits.append(number)
    return bytes(digits)
