"""Settings of a server of OpenAI's chat completions: the vendor's, or one like it."""

from collections.abc import Mapping
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from llmsvc_server.config.addresses import OpenaiUrl
from llmsvc_server.config.entry import (
    COLD_S,
    DAY_S,
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
    Temperature,
    Timeout,
    cold_is_shorter,
    what_is_missing,
)
from llmsvc_server.config.home import LocalNetworks, foreign
from llmsvc_server.config.section import Misfit, Section, refuse, refused

_VENDOR_URL = "https://api.openai.com/v1"
_VARIABLE = "OPENAI_API_KEY"
_STREAMS_ITS_THOUGHTS = ("gpt-4", "gpt-3.5", "gpt-35", "chatgpt")
"""Beginnings of the vendor's models that do not think before they answer."""

_THINKING_S = 120.0
_LOCAL_S = 60.0
_CLOUD_FIRST_TOKEN_S = 12.0
_CLOUD_IDLE_S = 30.0


def _is_openai(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    return f".{host}".endswith(".api.openai.com")


def _is_azure(url: str) -> bool:
    return (urlsplit(url).hostname or "").rstrip(".").endswith(".openai.azure.com")


def _thinks_unseen(known: Mapping[str, object]) -> bool:
    # Before the name there may be a gateway's prefix ("openai/gpt-4o") or a fine-tuning's ("ft:").
    model = str(known["model"]).rpartition("/")[2].removeprefix("ft:")
    return not (known["local"] or model.startswith(_STREAMS_ITS_THOUGHTS))


def _patience_s(known: Mapping[str, object], cloud_s: float) -> float:
    """Return a limit on silence: what `timeout` says, or what suits the provider."""
    given = known["timeout"]
    base_s = given if isinstance(given, float) else _LOCAL_S if known["local"] else cloud_s
    return max(base_s, _THINKING_S) if known["hidden_thinking"] else base_s


class OpenaiSettings(Section):
    """OpenAI, or a server that speaks its chat completions: vLLM, llama.cpp, LM Studio, LiteLLM."""

    kind: Literal["openai"] = Field(
        default="openai", description="Kind of the provider. Absent: the entry's name."
    )
    base_url: OpenaiUrl = Field(
        default=_VENDOR_URL,
        description="What stands before `/chat/completions` in the server's address; most have"
        " /v1 at its end.",
    )
    model: ServedModel = None
    local: bool = Field(
        default=False,
        description="It is in the operator's own network: requests that may not leave it are"
        " asked here, no key is needed, and no address outside of the network is connected to.",
    )
    local_networks: LocalNetworks = ()
    api_key: ApiKey = Field(
        default=None,
        json_schema_extra={"x-default": f"`api_key_file`, else the variable `{_VARIABLE}`"},
    )
    api_key_file: ApiKeyFile = None
    temperature: Temperature = None
    context_length: ContextLength = None
    aliases: Aliases = Field(default_factory=dict)
    serve_models: ServeModels = "any"
    token_limit_field: Literal["max_completion_tokens", "max_tokens"] = Field(
        default_factory=lambda known: (
            "max_completion_tokens"
            if _is_openai(known["base_url"]) or _is_azure(known["base_url"])
            else "max_tokens"
        ),
        description="Key in which the server takes the limit on an answer's tokens.",
        json_schema_extra={
            "x-default": "`max_completion_tokens` for OpenAI and Azure, else `max_tokens`"
        },
    )
    stream_options: bool = Field(
        default=True,
        description="Ask by `stream_options` for the tokens that an answer took. A server that"
        " refuses the key is asked without it from then on.",
    )
    hidden_thinking: bool = Field(
        default_factory=_thinks_unseen,
        description="Its model thinks without showing it, so that a long silence is no fault: the"
        " limits that follow from `timeout` are 120 s at least.",
        json_schema_extra={
            "x-default": "`true` unless `local`, or the model begins with gpt-4, gpt-3.5 or chatgpt"
        },
    )
    timeout: Timeout = None
    connect_timeout_s: ConnectTimeout = Field(
        default_factory=lambda known: 2.0 if known["local"] else 5.0,
        json_schema_extra={"x-default": "5; 2 if `local`"},
    )
    first_token_timeout_s: FirstTokenTimeout = Field(
        default_factory=lambda known: _patience_s(known, _CLOUD_FIRST_TOKEN_S),
        json_schema_extra={
            "x-default": "as timeout, else 12, or 60 if `local`; 120 or more with hidden thinking"
        },
    )
    idle_timeout_s: IdleTimeout = Field(
        default_factory=lambda known: _patience_s(known, _CLOUD_IDLE_S),
        json_schema_extra={
            "x-default": "as timeout, else 30, or 60 if `local`; 120 or more with hidden thinking"
        },
    )
    cold_timeout_s: float = Field(
        default_factory=lambda known: max(
            COLD_S if known["local"] else 0.0, known["first_token_timeout_s"]
        ),
        ge=0.1,
        le=DAY_S,
        description="Longest wait in seconds for the first token of a `local` server that loads"
        " its model first.",
        json_schema_extra={"x-default": "300 if `local`, or first_token_timeout_s if that is more"},
    )
    max_in_flight: MaxInFlight = Field(
        default_factory=lambda known: 8 if known["local"] else 64,
        json_schema_extra={"x-default": "64; 8 if `local`"},
    )
    max_queued: MaxQueued = 64
    queue_timeout_s: QueueTimeout = 10.0

    @property
    def is_cloud(self) -> bool:
        """Whether requests leave the operator's network."""
        return not self.local

    @property
    def sends_store(self) -> bool:
        """Whether the vendor is to be told to keep no answer (docs/facts/providers.md 1.1)."""
        return _is_openai(self.base_url) or _is_azure(self.base_url)

    @property
    def key_variable(self) -> str:
        """Variable that holds its key; "" where it would hand the vendor's key to somebody else."""
        return _VARIABLE if self.is_cloud and _is_openai(self.base_url) else ""

    @property
    def missing(self) -> str:
        """Why it can't be asked, as what follows "it"; "" if it can."""
        return what_is_missing(
            self.model, has_key=self.local or self.api_key is not None, variable=self.key_variable
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        errors: list[Misfit] = []
        if self.local:
            errors += foreign({("base_url",): self.base_url}, self.local_networks)
        elif self.local_networks:
            what = "counts for a local provider only"
            errors.append((("local_networks",), refused(what, "set local: true, or remove it")))
        if self.local and _is_openai(self.base_url):
            what = "is not in the operator's network: OpenAI is there by default"
            errors.append((("local",), refused(what, "set base_url, or remove local")))
        if self.cold_timeout_s < self.first_token_timeout_s:
            errors.append(cold_is_shorter(self.first_token_timeout_s))
        if errors:
            refuse(errors)
        return self
