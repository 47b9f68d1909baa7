"""Settings of the process itself: its door, its limits, its end, its health and its logs."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from llmsvc_server.config.addresses import ListenAddress, is_loopback, split_listen
from llmsvc_server.config.section import Section, raise_errors, value_error

_DAY_S = 86_400
MAX_WHOLE_BYTES = 8 * 1024 * 1024
"""Longest text in one message: half of what clients are told to take (rpc/options.py)."""


class HealthRequire(StrEnum):
    """Who must be able to serve the default model for the server to be ready."""

    ANY = "any"
    LOCAL = "local"
    NONE = "none"


class LogLevel(StrEnum):
    """Least level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class DoorWish(StrEnum):
    """How gRPC is served."""

    AUTO = "auto"
    AIO = "aio"
    IN_LOOP = "in_loop"


class ServerSettings(Section):
    """The listener and the gate behind it."""

    listen: ListenAddress = Field(
        default="127.0.0.1:50051",
        description="Address of the gRPC listener. Port 0 takes a free one, which the start line"
        " names. A name means all of its addresses, 0.0.0.0 and [::] every one that the machine"
        " has. Beyond loopback everybody who reaches the port may use it: there is neither TLS"
        " nor authentication yet.",
    )
    health_listen: ListenAddress | None = Field(
        default=None,
        description="Address of a second listener, which answers health alone: probes reach it"
        " while callers hold all connections of the first. Let nobody but them reach it. null:"
        " there is none.",
    )
    door: DoorWish = Field(
        default=DoorWish.AUTO,
        description="How gRPC is served. `aio`: by grpcio's asyncio server, which works everywhere."
        " `in_loop`: by grpcio's core, worked off by the event loop, which costs a call much less;"
        " it needs Linux and a version of grpcio that it was tested with, and nothing else in the"
        " process that uses gRPC. `auto`: in the loop where that can be, which is tried out at"
        " start, else `aio`. Callers notice no difference.",
    )
    reflection: bool = Field(
        default=True,
        description="Serve gRPC reflection, so that tools like grpcurl need no file of the"
        " contract.",
    )
    max_chats: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="Chats that run or queue at once, of one host or of all; one more is refused with"
        " RESOURCE_EXHAUSTED. An eighth more, at least one, is kept for hosts that have less than"
        " others.",
    )
    max_request_bytes: int = Field(
        default=20_971_520,
        ge=65_536,
        le=1_073_741_824,
        description="Bytes of requests, as they came, that all chats together may hold; what does"
        " not fit is refused with RESOURCE_EXHAUSTED. The last eighth is kept for hosts that have"
        " less than others. Each may take 14 of memory.",
    )

    @model_validator(mode="after")
    def _listeners_apart(self) -> Self:
        if self.health_listen is not None:
            port = split_listen(self.health_listen)[1]
            if port and port == split_listen(self.listen)[1]:
                error = value_error("has the port of server.listen", "choose another port")
                raise_errors([(("health_listen",), error)])
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the listener."""
        return is_loopback(split_listen(self.listen)[0])


class LimitsSettings(Section):
    """What one call may take."""

    max_message_bytes: int = Field(
        default=5_242_880,
        ge=65_536,
        le=268_435_456,
        description="Largest request in bytes, unpacked. A request may have 4 MiB of text.",
    )
    compressed_requests: bool = Field(
        default=False,
        description="Take requests that are compressed (gzip, deflate) too. They unpack to at most"
        " max_message_bytes.",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Most tokens of one answer. A request for more is cut to it, and the response"
        " says so. null: 8192; for a provider of kind `openai` none, since its server knows best"
        " what the model's window has room for.",
    )
    max_answer_bytes: int = Field(
        default=8_388_608,
        ge=65_536,
        le=1_073_741_824,
        description="Longest text of one answer in bytes. A longer one is cut off as one that cannot"
        " be understood. What is sent whole, that of Chat or a repeated one, is never longer than"
        " 8 MiB.",
    )
    write_timeout_s: float = Field(
        default=30.0,
        ge=0.1,
        le=3_600,
        description="Seconds that one message of an answer waits for a caller that does not read."
        " Then a ChatStream ends, and the provider's connection is closed.",
    )
    max_held_bytes: int = Field(
        default=33_554_432,
        ge=1_048_576,
        le=68_719_476_736,
        description="Bytes of answers that are held in memory, all together: gathered for Chat, and"
        " waiting for callers that do not read. What is more is refused with RESOURCE_EXHAUSTED."
        " The last eighth is kept for hosts that have less than others.",
    )
    deadline_cap_s: float = Field(
        default=1_800.0,
        ge=1,
        le=_DAY_S,
        description="Longest time in seconds that any call gets, whatever deadline its caller set.",
    )
    chat_deadline_s: float = Field(
        default_factory=lambda known: min(120.0, known["deadline_cap_s"]),
        ge=1,
        le=_DAY_S,
        description="Time in seconds for a Chat whose caller set no deadline.",
        json_schema_extra={"x-default": "120, or deadline_cap_s if that is less"},
    )
    stream_deadline_s: float = Field(
        default_factory=lambda known: min(600.0, known["deadline_cap_s"]),
        ge=1,
        le=_DAY_S,
        description="Time in seconds for a ChatStream whose caller set no deadline.",
        json_schema_extra={"x-default": "600, or deadline_cap_s if that is less"},
    )

    @property
    def max_whole_bytes(self) -> int:
        """Longest text that is sent in one message, beside all else that is in it."""
        return min(self.max_answer_bytes, MAX_WHOLE_BYTES)

    @model_validator(mode="after")
    def _within_the_cap(self) -> Self:
        lengths = {
            "chat_deadline_s": self.chat_deadline_s,
            "stream_deadline_s": self.stream_deadline_s,
        }
        remedy = "lower it, or raise limits.deadline_cap_s"
        errors = [
            ((name,), value_error("is more than limits.deadline_cap_s", remedy))
            for name, length_s in lengths.items()
            if length_s > self.deadline_cap_s
        ]
        if errors:
            raise_errors(errors)
        return self


class DrainSettings(Section):
    """How the server stops."""

    pre_drain_s: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="Seconds between NOT_SERVING and the first refused call, in which load"
        " balancers look elsewhere. SIGTERM and SIGHUP keep them, Ctrl-C skips them.",
    )
    grace_s: float = Field(
        default=100.0,
        ge=0,
        le=3_600,
        description="Seconds that running calls get to finish; what is left then ends with a"
        " status of its own.",
    )


class HealthSettings(Section):
    """What health answers rest on."""

    require: HealthRequire = Field(
        default=HealthRequire.ANY,
        description="Who must be able to serve the default model for `readiness`: `any` provider,"
        " a `local` one, or `none` (ready once started).",
    )
    refresh_s: float = Field(
        default=5.0,
        ge=0.1,
        le=300,
        description="Seconds between two looks at what each provider has, give or take a tenth.",
    )
    max_models: int = Field(
        default=2_000,
        ge=1,
        le=10_000,
        description="Most models that are known of one provider's list, and most that health names."
        " Those that this file names are known wherever they stand; any other beyond the bound is"
        " not there, and the log says how many.",
    )


class ObservabilitySettings(Section):
    """Logs. They never hold a prompt or an answer."""

    log_level: LogLevel = Field(default=LogLevel.INFO, description="Least level that is logged.")
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`json` is one object a line, `text` is for people; `auto` is text on a"
        " terminal and json elsewhere.",
    )
