"""Settings of a server of OpenAI's chat completions: the vendor's, or one like it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from llmsvc_server.config.addresses import OpenaiUrl, host_of
from llmsvc_server.config.entry import KIND, After
from llmsvc_server.config.home import LocalNetworks, find_foreign
from llmsvc_server.config.hosted import (
    COLD_S,
    DAY_S,
    ConnectTimeout,
    FirstTokenTimeout,
    IdleTimeout,
    MaxInFlight,
    find_cold_errors,
)
from llmsvc_server.config.keyed import ApiKey, KeyedSettings
from llmsvc_server.config.section import FieldError, value_error

_DOMAIN = "api.openai.com"
_STREAMS_ITS_THOUGHTS = ("gpt-4", "gpt-3.5", "gpt-35", "chatgpt")
"""Beginnings of the vendor's models that do not think before they answer."""

_THINKING_S = 120.0
_LOCAL_S = 60.0
_CLOUD_FIRST_TOKEN_S = 12.0
_CLOUD_IDLE_S = 30.0


def _is_openai_or_azure(url: str) -> bool:
    host = host_of(url)
    return f".{host}".endswith(f".{_DOMAIN}") or host.endswith(".openai.azure.com")


def _thinks_unseen(known: Mapping[str, object]) -> bool:
    # Before the name there may be a gateway's prefix ("openai/gpt-4o") or a fine-tuning's ("ft:").
    model = str(known["model"]).rpartition("/")[2].removeprefix("ft:")
    return not (known["local"] or model.startswith(_STREAMS_ITS_THOUGHTS))


def _base_timeout_s(known: Mapping[str, object], cloud_s: float) -> float:
    """Return a limit on silence: what `timeout` says, or what suits the provider."""
    given = known["timeout"]
    base_s = given if isinstance(given, float) else _LOCAL_S if known["local"] else cloud_s
    return max(base_s, _THINKING_S) if known["hidden_thinking"] else base_s


class OpenaiSettings(KeyedSettings):
    """OpenAI, or a server that speaks its chat completions: vLLM, llama.cpp, LM Studio, LiteLLM."""

    vendor_domain: ClassVar[str] = _DOMAIN
    vendor_variable: ClassVar[str] = "OPENAI_API_KEY"

    kind: Annotated[Literal["openai"], KIND] = "openai"
    base_url: OpenaiUrl = Field(
        default=f"https://{_DOMAIN}/v1",
        description="What stands before `/chat/completions` in the server's address; most have"
        " /v1 at its end.",
    )
    local: Annotated[bool, After("model")] = Field(
        default=False,
        description="It is in the operator's own network: requests that may not leave it are"
        " asked here, no key is needed, and no address outside of the network is connected to.",
    )
    local_networks: LocalNetworks = ()
    api_key: ApiKey = Field(
        default=None,
        json_schema_extra={"x-default": f"`api_key_file`, else the variable `{vendor_variable}`"},
    )
    token_limit_field: Annotated[
        Literal["max_completion_tokens", "max_tokens"], After("serve_models")
    ] = Field(
        default_factory=lambda known: (
            "max_completion_tokens" if _is_openai_or_azure(known["base_url"]) else "max_tokens"
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
    connect_timeout_s: ConnectTimeout = Field(
        default_factory=lambda known: 2.0 if known["local"] else 5.0,
        json_schema_extra={"x-default": "5; 2 if `local`"},
    )
    first_token_timeout_s: FirstTokenTimeout = Field(
        default_factory=lambda known: _base_timeout_s(known, _CLOUD_FIRST_TOKEN_S),
        json_schema_extra={
            "x-default": "as timeout, else 12, or 60 if `local`; 120 or more with hidden thinking"
        },
    )
    idle_timeout_s: IdleTimeout = Field(
        default_factory=lambda known: _base_timeout_s(known, _CLOUD_IDLE_S),
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

    @property
    @override
    def is_cloud(self) -> bool:
        return not self.local

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own service, at home or at Azure (docs/facts/providers.md 1.1)."""
        return _is_openai_or_azure(self.base_url)

    @override
    def _find_errors(self) -> Iterator[FieldError]:
        if self.local:
            yield from find_foreign({("base_url",): self.base_url}, self.local_networks)
        elif self.local_networks:
            what = "counts for a local provider only"
            yield ("local_networks",), value_error(what, "set local: true, or remove it")
        if self.local and self.is_vendor:
            what = "is not in the operator's network: OpenAI is there by default"
            yield ("local",), value_error(what, "set base_url, or remove local")
        yield from find_cold_errors(self.cold_timeout_s, self.first_token_timeout_s)
