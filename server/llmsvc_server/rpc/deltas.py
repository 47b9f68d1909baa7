"""A stream's pieces of text, encoded by hand: most of what the server sends.

`ChatStreamResponse` with nothing but `delta.text`. The message itself takes seven times as long
(docs/facts/hot-path.md 4), and one for all pieces would keep each text that it was ever given.
"""

_DELTA = 0x1A
"""Tag of `ChatStreamResponse.delta`: field 3, a message."""

_TEXT = 0x12
"""Tag of `PartDelta.text`: field 2, a text."""

_ONE_BYTE = 0x80
"""Lengths below it take one byte."""

_SHORT = tuple(bytes((_DELTA, size + 2, _TEXT, size)) for size in range(_ONE_BYTE - 2))


def encoded_delta(text: str) -> bytes:
    """Return the message that says `text`."""
    data = text.encode()
    size = len(data)
    if size < len(_SHORT):
        return _SHORT[size] + data
    head = bytes((_TEXT, *_varint(size)))
    return bytes((_DELTA, *_varint(len(head) + size))) + head + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number >= _ONE_BYTE:
        digits.append(number % _ONE_BYTE | _ONE_BYTE)
        number //= _ONE_BYTE
    digits.append(number)
    return bytes(digits)
