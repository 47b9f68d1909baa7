"""Client of llmsvc: the public names, each loaded when it is first used.

Late, because gRPC takes 70 ms to import: `llmsvc --help`, an error type or a Ctrl-C during the
start of a command need none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsvc_client.answers import (
        Adjustment,
        Attempt,
        CallPiece,
        Piece,
        Progress,
        RefusalPiece,
        Route,
        Timings,
        Usage,
    )
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
        NonconformingError,
        NotFoundError,
        OverloadedError,
        PreconditionError,
        ServerError,
        StreamInterruptedError,
        UnavailableError,
        Violation,
    )
    from llmsvc_client.messages import assistant, system, tool_result, user
    from llmsvc_client.options import ChatOptions, StreamOptions
    from llmsvc_client.reply import ChatReply
    from llmsvc_client.stream import ChatStream
    from llmsvc_client.tools import (
        OutputCheck,
        ResponseFormat,
        Schema,
        SchemaViolation,
        Tool,
        ToolCall,
        ToolChoice,
        ToolMode,
        ToolResult,
        Unsupported,
    )
    from llmsvc_client.types import (
        CountMethod,
        FinishReason,
        HealthStatus,
        Locality,
        Message,
        Part,
        Phase,
        Privacy,
        ProviderKind,
        Refusal,
        Role,
        Sampling,
        Target,
        UnknownPart,
    )
else:
    _HOMES = {
        "answers": "Adjustment Attempt CallPiece Piece Progress RefusalPiece Route Timings Usage",
        "blocking": "BlockingClient",
        "blocking_stream": "BlockingStream",
        "client": "Client",
        "errors": (
            "AccessDeniedError Code DeadlineExceededError Failure InvalidRequestError LlmsvcError"
            " NonconformingError NotFoundError OverloadedError PreconditionError ServerError StreamInterruptedError"
            " UnavailableError Violation"
        ),
        "messages": "assistant system tool_result user",
        "options": "ChatOptions StreamOptions",
        "reply": "ChatReply",
        "stream": "ChatStream",
        "tools": (
            "OutputCheck ResponseFormat Schema SchemaViolation Tool ToolCall"
            " ToolChoice ToolMode ToolResult Unsupported"
        ),
        "types": (
            "CountMethod FinishReason HealthStatus Locality Message Part Phase Privacy ProviderKind"
            " Refusal Role Sampling Target UnknownPart"
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
    "Attempt",
    "BlockingClient",
    "BlockingStream",
    "CallPiece",
    "ChatOptions",
    "ChatReply",
    "ChatStream",
    "Client",
    "Code",
    "CountMethod",
    "DeadlineExceededError",
    "Failure",
    "FinishReason",
    "HealthStatus",
    "InvalidRequestError",
    "LlmsvcError",
    "Locality",
    "Message",
    "NonconformingError",
    "NotFoundError",
    "OutputCheck",
    "OverloadedError",
    "Part",
    "Phase",
    "Piece",
    "PreconditionError",
    "Privacy",
    "Progress",
    "ProviderKind",
    "Refusal",
    "RefusalPiece",
    "ResponseFormat",
    "Role",
    "Route",
    "Sampling",
    "Schema",
    "SchemaViolation",
    "ServerError",
    "StreamInterruptedError",
    "StreamOptions",
    "Target",
    "Timings",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolMode",
    "ToolResult",
    "UnavailableError",
    "UnknownPart",
    "Unsupported",
    "Usage",
    "Violation",
    "assistant",
    "system",
    "tool_result",
    "user",
]
