"""Logging set-up, called once at the edge. Everything goes to one stream, one line an event."""

import contextlib
import logging
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor
from typing_extensions import override

from llmsvc_server.errors import place_of

Logger = FilteringBoundLogger
"""What `configure` returns, for those who must not know structlog."""


request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The call that a line belongs to. One variable: structlog's own ones cost each call 5 us."""


def configure(*, level: str, as_json: bool, stream: TextIO) -> FilteringBoundLogger:
    """Set logging up for this process, other libraries' included; return the logger.

    Args:
        level: Least level that is written: "debug", "info", "warning" or "error".
        as_json: One JSON object a line, else text for people.
        stream: Where to write; coloured if it is a terminal.
    """
    render = _json if as_json else _text(colours=stream.isatty())
    structlog.configure(
        processors=[_of_call, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda: _Output(stream),
    )
    logger: FilteringBoundLogger = structlog.get_logger().bind()  # not the lazy proxy
    logging.basicConfig(handlers=[_Forward(logger)], level=logging.WARNING, force=True)
    return logger


def _of_call(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    if call := request_id.get():
        event["request_id"] = call
    return event


def _json(_logger: object, method: str, event: MutableMapping[str, object]) -> bytes:
    line = {"timestamp": _now(), "level": method, "event": event.pop("event", ""), **event}
    return msgspec.json.encode(line) + b"\n"


def _text(*, colours: bool) -> Processor:
    render = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)

    def rendered(logger: object, method: str, event: MutableMapping[str, object]) -> bytes:
        event.update(timestamp=_now(), level=method)
        return render(logger, method, event).encode() + b"\n"

    return rendered


def _now() -> str:
    second, thousandths = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_to_the_second(second)}.{thousandths:03}+00:00"


@lru_cache(maxsize=1)
def _to_the_second(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"


class _Output:
    """Writes whole lines, unbuffered.

    Where the log's reader is gone or the disk is full, lines are lost: no call fails for that.
    """

    def __init__(self, stream: TextIO) -> None:
        # Unbuffered also because what a dead pipe leaves in a buffer fails again at exit.
        self._stream = getattr(stream.buffer, "raw", stream.buffer)

    def msg(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line:
                line = line[self._stream.write(line) or len(line) :]

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Writes what other libraries log, without exception texts: those may quote a prompt."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if _is_write_to_a_gone_caller(record):
            return
        self._logger.log(
            min(record.levelno, logging.ERROR),
            "library.log",
            logger=record.name,
            where=f"{record.filename}:{record.lineno}",
            **_exception(record),
        )


def _is_write_to_a_gone_caller(record: logging.LogRecord) -> bool:
    # grpcio logs this for each caller that leaves while a write is under way; the guard has
    # already said what became of the call.
    return record.name.startswith("grpc") and "ExecuteBatchError" in record.getMessage()


def _exception(record: logging.LogRecord) -> dict[str, str]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    return {"exception": type(error).__name__, "at": place_of(error)}
