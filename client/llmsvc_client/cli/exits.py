"""Exit codes: one table, the same for all commands."""

from enum import IntEnum
from typing import Final

from llmsvc_client.errors import Code, LlmsvcError, NonconformingError, StreamInterruptedError


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_SERVING = 4
    INTERRUPTED = 5
    NONCONFORMING = 6
    DECLINED = 7
    CTRL_C = 130


_MAY_PASS: Final = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED})


def exit_of(error: LlmsvcError) -> Exit:
    """Return the exit code of a failed call."""
    if isinstance(error, StreamInterruptedError):
        return Exit.INTERRUPTED
    if isinstance(error, NonconformingError) and error.cause:
        return Exit.NONCONFORMING
    return Exit.UNREACHABLE if error.code in _MAY_PASS else Exit.REFUSED
