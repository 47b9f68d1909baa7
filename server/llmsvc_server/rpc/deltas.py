"""A stream's pieces, encoded by hand: most of what the server sends.

`ChatStreamResponse` with nothing but `delta`, and in it a text or a piece of a call. The message itself takes seven times as long
(docs/facts/hot-path.md 4), and one for all pieces would keep each text that it was ever given.
"""

from llmsvc_server.chat.parts import Piece

_DELTA = 0x1A
"""Tag of `ChatStreamResponse.delta`: field 3, a message."""

_PART_INDEX = 0x08
"""Tag of `PartDelta.part_index`: field 1, a number; 0 is not written."""

_TEXT = 0x12
"""Tag of `PartDelta.text`: field 2, a text."""

_TOOL_CALL = 0x22
"""Tag of `PartDelta.tool_call`: field 4, a message."""

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
    index = (_PART_INDEX, *_varint(part_index)) if part_index else ()
    head = bytes((*index, _TEXT, *_varint(size)))
    return bytes((_DELTA, *_varint(len(head) + size))) + head + data


def encode_piece(piece: Piece, part_index: int) -> bytes:
    """Return the message that says a piece of any kind, more of the part of that number."""
    if isinstance(piece, str):
        return encode_delta(piece, part_index)
    call = _fields((_ID, piece.id), (_NAME, piece.name), (_ARGUMENTS, piece.arguments_json))
    index = (_PART_INDEX, *_varint(part_index)) if part_index else ()
    head = bytes((*index, _TOOL_CALL, *_varint(len(call))))
    return bytes((_DELTA, *_varint(len(head) + len(call)))) + head + call


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
