"""From the bytes of a request to its message. What is no such message is the caller's mistake."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError

from llmsvc_server.errors import InvalidRequest, Violation, ViolationReason

MAX_SMALL_BYTES = 4096
"""Of a request that asks for a name's health, or for a symbol: what they hold is a name."""

_Message = TypeVar("_Message")


def decode_message(decode: Callable[[bytes], _Message], raw: bytes) -> _Message:
    """Return a message.

    Left to grpcio, bytes that do not decode are answered UNKNOWN with the exception's text.

    Raises:
        InvalidRequest: The bytes are not one.
    """
    try:
        return decode(raw)
    except DecodeError:
        raise malformed_request() from None


def decode_small(decode: Callable[[bytes], _Message], raw: bytes) -> _Message:
    """Return a message that is small, whatever its fields are.

    Raises:
        InvalidRequest: The bytes are not one, or too many.
    """
    if len(raw) > MAX_SMALL_BYTES:
        remedy = f"send at most {MAX_SMALL_BYTES} bytes"
        raise InvalidRequest([Violation("", ViolationReason.TOO_LONG, remedy)])
    return decode_message(decode, raw)


def malformed_request() -> InvalidRequest:
    """Return what is told of bytes that are not a message of a method's type."""
    wrong = Violation("", ViolationReason.MALFORMED, "not a message of this method's type")
    return InvalidRequest([wrong])
