"""A stream's pieces of text, encoded by hand: most of what the server sends.

`ChatStreamResponse` with nothing but `delta`, and in it a text. The message itself takes seven times as long
(docs/facts/hot-path.md 4), and one for all pieces would keep each text that it was ever given.
"""

_DELTA = 0x1A
"""Tag of `ChatStreamResponse.delta`: field 3, a message."""

_PART_INDEX = 0x08
"""Tag of `PartDelta.part_index`: field 1, a number; 0 is not written."""

_TEXT = 0x12
"""Tag of `PartDelta.text`: field 2, a text."""

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


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number >= _ONE_BYTE:
        digits.append(number % _ONE_BYTE | _ONE_BYTE)
        number //= _ONE_BYTE
    digits.append(number)
    return bytes(digits)
