"""The whole tree of settings."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmsvc_server.config.llm import LlmSettings
from llmsvc_server.config.section import raise_errors, value_error
from llmsvc_server.config.server import (
    DrainSettings,
    HealthSettings,
    LimitsSettings,
    ObservabilitySettings,
    ServerSettings,
)

_WAITS = (
    "timeout",
    "queue_timeout_s",
    "connect_timeout_s",
    "first_token_timeout_s",
    "idle_timeout_s",
    "cold_timeout_s",
)


class Settings(BaseModel):
    """Everything that can be set. `Settings()` is the built-in default.

    It reads no file and no environment by itself: `sources.load` does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: ServerSettings = Field(
        default_factory=ServerSettings, description="The listener and the gate behind it."
    )
    limits: LimitsSettings = Field(
        default_factory=LimitsSettings, description="What one call may take."
    )
    drain: DrainSettings = Field(default_factory=DrainSettings, description="How the server stops.")
    health: HealthSettings = Field(
        default_factory=HealthSettings, description="What health answers rest on."
    )
    observability: ObservabilitySettings = Field(
        default_factory=ObservabilitySettings, description="Logs."
    )
    llm: LlmSettings = Field(
        default_factory=LlmSettings, description="Providers by name, and their order."
    )

    @model_validator(mode="after")
    def _no_wait_beyond_the_cap(self) -> Self:
        cap_s = self.limits.deadline_cap_s
        what = "is more than limits.deadline_cap_s, so the call would end before this wait"
        remedy = "lower it, or raise limits.deadline_cap_s"
        errors = [
            (("llm", "providers", name, wait), value_error(what, remedy))
            for name, entry in self.llm.providers.items()
            for wait in _WAITS
            if wait in entry.model_fields_set and (getattr(entry, wait) or 0.0) > cap_s
        ]
        if errors:
            raise_errors(errors)
        return self

    @model_validator(mode="after")
    def _room_for_one_request(self) -> Self:
        if self.server.max_request_bytes < self.limits.max_message_bytes:
            what = "is less than limits.max_message_bytes, so the largest request would never fit"
            remedy = "raise it, or lower limits.max_message_bytes"
            raise_errors([(("server", "max_request_bytes"), value_error(what, remedy))])
        return self
