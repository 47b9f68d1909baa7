"""Requests that can't be sent: refused by the name of their field."""

from collections.abc import Generator
from contextlib import contextmanager

from google.protobuf.message import DecodeError

from llmsvc_client.errors import Code, Failure, InvalidRequestError, Violation


@contextmanager
def naming(path: str) -> Generator[None]:
    """Turn what protobuf says of a bad value, and of the value itself, into the field's name."""
    try:
        yield
    except (AttributeError, DecodeError, OverflowError, RecursionError, TypeError, ValueError):
        raise request_error(path, "MALFORMED", "Not a value that this field can hold.") from None


def request_error(field: str, reason: str, description: str) -> InvalidRequestError:
    """Return the error for a request that is refused before it is sent."""
    failure = Failure(
        code=Code.INVALID_ARGUMENT,
        message=f"The request was not sent: {field}: {description}",
        reason="INVALID_REQUEST",
    )
    return InvalidRequestError(failure, violations=[Violation(field, reason, description)])
