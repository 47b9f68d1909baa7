"""Logging set-up, called once at the edge. Everything goes to one stream, one line an event."""

import contextlib
import io
import logging
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import msgspec
from typing_extensions import override

from llmsvc_server.observability.call_line import CallLine
from llmsvc_server.observability.log_writer import LogWriter
from llmsvc_server.observability.structlog_import import structlog
from llmsvc_server.reports import place_of

_encode = msgspec.json.Encoder().encode

Logger = structlog.typing.FilteringBoundLogger
"""What `logging_to` yields, for those who must not know structlog."""


Render = Callable[[object, str, MutableMapping[str, object]], bytes]
"""Makes one line of an event, structlog's way."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The call that a line belongs to. One variable: structlog's own ones cost each call more
(docs/facts/hot-path.md 4)."""


@contextlib.contextmanager
def logging_to(stream: TextIO, *, level: str, as_json: bool) -> Iterator[Logger]:
    """Set logging up for this process while the block runs; yield the logger.

    Nothing that logs waits for the stream: other libraries' lines go the same way, and so does what
    else Python writes to standard error, such as warnings. At the end what is left is written, as
    far as its reader takes it.

    Args:
        stream: Where to write; text is coloured if it is a terminal.
        level: Least level that is written: "debug", "info", "warning" or "error".
        as_json: One JSON object a line, else text for people.
    """
    render = _json if as_json else _text(colours=stream.isatty())
    raw = getattr(stream.buffer, "raw", stream.buffer)
    with LogWriter(raw, lambda count: _describe_loss(render, count)) as writer:
        structlog.configure(
            processors=[render],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=lambda: _Output(writer),
        )
        logger: Logger = structlog.get_logger().bind()  # not the lazy proxy
        logging.basicConfig(handlers=[_Forward(logger)], level=logging.WARNING, force=True)
        with contextlib.redirect_stderr(_StandardError(writer.put)):
            yield logger


def _describe_loss(render: Render, count: int) -> bytes:
    return render(None, "warning", {"event": "log.dropped", "count": count})


def _json(_logger: object, method: str, event: MutableMapping[str, object]) -> bytes:
    line = event.get("line")
    if isinstance(line, CallLine):
        line.timestamp, line.level, line.event = _now(), method, str(event["event"])
        line.request_id = request_id.get()
        return _encode(line) + b"\n"
    name = event.pop("event", "")
    return (
        _encode({"timestamp": _now(), "level": method, "event": name, **event, **_name_call()})
        + b"\n"
    )


def _name_call() -> dict[str, str]:
    call = request_id.get()
    return {"request_id": call} if call else {}


def _text(*, colours: bool) -> Render:
    render = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)

    def render_line(logger: object, method: str, event: MutableMapping[str, object]) -> bytes:
        line = event.pop("line", None)
        if isinstance(line, CallLine):
            event.update(msgspec.to_builtins(line))
        event.update(_name_call(), timestamp=_now(), level=method)
        return render(logger, method, event).encode() + b"\n"

    return render_line


def _now() -> str:
    second, thousandths = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_to_the_second(second)}.{thousandths:03}+00:00"


@lru_cache(maxsize=1)
def _to_the_second(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"


class _Output:
    """Where structlog puts lines."""

    def __init__(self, writer: LogWriter) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.put


class _StandardError(io.TextIOBase):
    """Standard error for all who don't log: written directly, their lines would wait for its reader."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        super().__init__()
        self._put = put
        self._unfinished = ""

    @override
    def write(self, text: str, /) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            self._put(line.encode(errors="backslashreplace") + b"\n")
        return len(text)


class _Forward(logging.Handler):
    """Writes what other libraries log, without exception texts: those may quote a prompt."""

    def __init__(self, logger: Logger) -> None:
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
