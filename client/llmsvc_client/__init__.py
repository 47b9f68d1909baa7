"""Client of llmsvc: the public names, each loaded when it is first used.

Late, because gRPC takes 70 ms to import: `llmsvc --help`, an error type or a Ctrl-C during the
start of a command need none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsvc_client.blocking import BlockingClient
    from llmsvc_client.blocking_stream import BlockingStream
    from llmsvc_client.client import Client
    from llmsvc_client.errors import (
        AccessDeniedError,
        Code,
        DeadlineExceededError,
        Failure,
        InvalidRequestError,
        LlmsvcError,
        NotFoundError,
        OverloadedError,
        PreconditionError,
        ServerError,
        StreamInterruptedError,
        UnavailableError,
        Violation,
    )
    from llmsvc_client.messages import assistant, system, user
    from llmsvc_client.stream import ChatStream
    from llmsvc_client.types import (
        Adjustment,
        ChatReply,
        FinishReason,
        HealthStatus,
        Locality,
        Message,
        Piece,
        ProviderKind,
        Role,
        Route,
        Sampling,
        Usage,
    )
else:
    _HOMES = {
        "blocking": "BlockingClient",
        "blocking_stream": "BlockingStream",
        "client": "Client",
        "errors": (
            "AccessDeniedError Code DeadlineExceededError Failure InvalidRequestError LlmsvcError"
            " NotFoundError OverloadedError PreconditionError ServerError StreamInterruptedError"
            " UnavailableError Violation"
        ),
        "messages": "assistant system user",
        "stream": "ChatStream",
        "types": (
            "Adjustment ChatReply FinishReason HealthStatus Locality Message Piece ProviderKind"
            " Role Route Sampling Usage"
        ),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        """Load a public name from its module."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)

    def __dir__() -> list[str]:
        """List the public names, loaded or not."""
        return __all__


__all__ = [
    "AccessDeniedError",
    "Adjustment",
    "BlockingClient",
    "BlockingStream",
    "ChatReply",
    "ChatStream",
    "Client",
    "Code",
    "DeadlineExceededError",
    "Failure",
    "FinishReason",
    "HealthStatus",
    "InvalidRequestError",
    "LlmsvcError",
    "Locality",
    "Message",
    "NotFoundError",
    "OverloadedError",
    "Piece",
    "PreconditionError",
    "ProviderKind",
    "Role",
    "Route",
    "Sampling",
    "ServerError",
    "StreamInterruptedError",
    "UnavailableError",
    "Usage",
    "Violation",
    "assistant",
    "system",
    "user",
]
