"""Settings of Anthropic's messages."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from llmsvc_server.config.addresses import AnthropicUrl
from llmsvc_server.config.entry import (
    Aliases,
    ApiKey,
    ApiKeyFile,
    ConnectTimeout,
    ContextLength,
    FirstTokenTimeout,
    IdleTimeout,
    MaxInFlight,
    MaxQueued,
    QueueTimeout,
    ServedModel,
    ServeModels,
    Timeout,
    what_is_missing,
)
from llmsvc_server.config.section import Section

_VENDOR_URL = "https://api.anthropic.com"
_VARIABLE = "ANTHROPIC_API_KEY"
_FIRST_TOKEN_S = 12.0
_IDLE_S = 30.0


class AnthropicSettings(Section):
    """Anthropic."""

    kind: Literal["anthropic"] = Field(
        default="anthropic", description="Kind of the provider. Absent: the entry's name."
    )
    base_url: AnthropicUrl = Field(
        default=_VENDOR_URL, description="Root of the server, without /v1."
    )
    model: ServedModel = None
    api_key: ApiKey = Field(
        default=None,
        json_schema_extra={"x-default": f"`api_key_file`, else the variable `{_VARIABLE}`"},
    )
    api_key_file: ApiKeyFile = None
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Temperature of requests that set none. null: what the model comes with; new"
        " models take none at all.",
    )
    context_length: ContextLength = None
    aliases: Aliases = Field(default_factory=dict)
    serve_models: ServeModels = "any"
    timeout: Timeout = None
    connect_timeout_s: ConnectTimeout = 5.0
    first_token_timeout_s: FirstTokenTimeout = Field(
        default_factory=lambda known: known["timeout"] or _FIRST_TOKEN_S,
        json_schema_extra={"x-default": "as timeout, else 12"},
    )
    idle_timeout_s: IdleTimeout = Field(
        default_factory=lambda known: known["timeout"] or _IDLE_S,
        json_schema_extra={"x-default": "as timeout, else 30"},
    )
    max_in_flight: MaxInFlight = 64
    max_queued: MaxQueued = 64
    queue_timeout_s: QueueTimeout = 10.0

    @property
    def cold_timeout_s(self) -> float:
        """Longest wait for a model that is not in memory: a cloud's always is."""
        return self.first_token_timeout_s

    @property
    def is_cloud(self) -> bool:
        """Whether requests leave the operator's network: always."""
        return True

    @property
    def key_variable(self) -> str:
        """Variable that holds its key; "" where it would hand the vendor's key to somebody else."""
        host = (urlsplit(self.base_url).hostname or "").rstrip(".")
        return _VARIABLE if f".{host}".endswith(".api.anthropic.com") else ""

    @property
    def missing(self) -> str:
        """Why it can't be asked, as what follows "it"; "" if it can."""
        return what_is_missing(
            self.model, has_key=self.api_key is not None, variable=self.key_variable
        )
