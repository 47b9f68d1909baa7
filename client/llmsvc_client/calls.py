"""One call over gRPC: deadline and metadata in, a message or one of our errors out."""

import asyncio
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc.aio
from google.protobuf.message import Message

from llmsvc_client.channel import MAX_MESSAGE_BYTES
from llmsvc_client.from_status import PartialAnswer, closed_client_error, to_error
from llmsvc_client.naming import request_error

MAX_TIMEOUT_S: Final = 86_400.0  # grpcio 1.85: 1e12 s and more end at once, as if passed

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_RequestT = TypeVar("_RequestT", bound=Message)
_ResponseT = TypeVar("_ResponseT")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What goes with a request, checked.

    Attributes:
        timeout_s: Time for the whole call in seconds. None: none is sent.
        request_id: 1 to 64 of `[A-Za-z0-9._-]`. None: the server makes one.

    Raises:
        ValueError: One of them is out of range; the text says what would do.
    """

    timeout_s: float | None
    request_id: str | None

    def __post_init__(self) -> None:
        """Check."""
        if self.timeout_s is not None and not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(
                f"timeout_s is {self.timeout_s}: it must be above 0 and at most {MAX_TIMEOUT_S:.0f};"
                " without one the server's own limit holds"
            )
        if self.request_id is not None and not _REQUEST_ID.fullmatch(self.request_id):
            raise ValueError("request_id: 1 to 64 letters, digits, '.', '_' or '-'")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata to send."""
        return () if self.request_id is None else (("x-request-id", self.request_id),)


async def call_unary(
    method: grpc.aio.UnaryUnaryMultiCallable[_RequestT, _ResponseT],
    request: _RequestT,
    options: CallOptions,
) -> _ResponseT:
    """Return the answer to one request; leaving early, by cancel or deadline, ends the call.

    Raises:
        InvalidRequestError: The request is larger than a message may be.
        LlmsvcError: The call failed, as one of the subclasses or as itself.
    """
    check_size(request)
    call = method(request, timeout=options.timeout_s, metadata=options.metadata)
    try:
        with translate_errors(options):
            return await call
    finally:
        call.cancel()


@contextmanager
def translate_errors(
    options: CallOptions, partial: Callable[[], PartialAnswer | None] = lambda: None
) -> Generator[None]:
    """Turn what grpc.aio raises inside into ours, and tell a cancel of ours from a closed client.

    Args:
        options: What the call was made with.
        partial: What was delivered so far, asked only on failure. None: nothing.

    Raises:
        LlmsvcError: For every `AioRpcError`, and for a cancel that nobody asked of this task:
            grpc.aio raises that when the channel is closed under a call.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise to_error(
            error, request_id=options.request_id, timeout_s=options.timeout_s, partial=partial()
        ) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise closed_client_error() from error


def check_size(request: Message) -> None:
    """Refuse a request that gRPC would refuse without naming a field.

    Raises:
        InvalidRequestError: It is larger than the limit of a message.
    """
    size_bytes = request.ByteSize()
    if size_bytes > MAX_MESSAGE_BYTES:
        limit_mib = MAX_MESSAGE_BYTES // 2**20
        raise request_error(
            "messages", "TOO_LONG", f"A request has at most {limit_mib} MiB: shorten the texts."
        )
