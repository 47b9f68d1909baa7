"""Settings of one provider: a section per kind."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llmsvc_server.config.addresses import BaseUrl
from llmsvc_server.config.section import Expected, Section, refuse, refused

_DAY_S = 86_400
_COLD_S = 300.0

ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}$"),
    Expected("a model's name such as phi3:mini"),
]


class OllamaSettings(Section):
    """An Ollama server."""

    kind: Literal["ollama"] = Field(
        default="ollama", description="Kind of the provider. Absent: the entry's name."
    )
    base_url: BaseUrl = Field(
        default="http://localhost:11434",
        description="Root of the server, without /api or /v1. A path before those is kept.",
    )
    model: ModelName = Field(
        default="phi3:mini",
        description="Model for requests that name none. It has to be there: `ollama pull NAME`.",
    )
    temperature: float | None = Field(
        default=0.7,
        ge=0,
        le=2,
        description="Temperature of requests that set none. null: what the model comes with.",
    )
    num_ctx: int | None = Field(
        default=2_048,
        ge=4,
        le=10_000_000,
        description="Context window in tokens, prompt and answer together. Requests can't change"
        " it: another window reloads the model for everybody. null: what Ollama chooses.",
    )
    timeout: float = Field(
        default=60.0,
        ge=0.1,
        le=_DAY_S,
        description="Patience in seconds with silence: for the first token, and for each gap after"
        " it. Never the length of a healthy answer.",
    )
    keep_alive_s: int = Field(
        default=300,
        ge=-1,
        le=2_592_000,
        description="Seconds that Ollama keeps the model in memory after an answer; 0 unloads it"
        " at once, -1 never. Sent with every call.",
    )
    max_in_flight_per_model: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Chats that one model runs at once; the others wait here, in order. Keep it"
        " equal to OLLAMA_NUM_PARALLEL of the server.",
    )
    max_queued: int = Field(
        default=64,
        ge=0,
        le=100_000,
        description="Chats that may wait for one model; one more goes to the next provider, or is"
        " refused.",
    )
    queue_timeout_s: float = Field(
        default=10.0,
        ge=0,
        le=_DAY_S,
        description="Longest wait in seconds while another provider could answer. Without one a"
        " chat waits as long as its deadline allows.",
    )
    connect_timeout_s: float = Field(
        default=2.0, ge=0.1, le=300, description="Longest wait in seconds for a connection."
    )
    first_token_timeout_s: float = Field(
        default_factory=lambda known: known["timeout"],
        ge=0.1,
        le=_DAY_S,
        description="Longest wait in seconds for the first token of a model in memory.",
        json_schema_extra={"x-default": "as timeout"},
    )
    idle_timeout_s: float = Field(
        default_factory=lambda known: known["timeout"],
        ge=0.1,
        le=_DAY_S,
        description="Longest gap in seconds between two pieces of an answer.",
        json_schema_extra={"x-default": "as timeout"},
    )
    cold_timeout_s: float = Field(
        default_factory=lambda known: max(_COLD_S, known["first_token_timeout_s"]),
        ge=0.1,
        le=_DAY_S,
        description="Longest wait in seconds for the first token of a model that has to be loaded"
        " first.",
        json_schema_extra={"x-default": "300, or first_token_timeout_s if that is more"},
    )

    @model_validator(mode="after")
    def _cold_is_not_shorter(self) -> Self:
        if self.cold_timeout_s < self.first_token_timeout_s:
            what = "is less than the limit for a model that is in memory already"
            remedy = f"give at least {self.first_token_timeout_s:g}, or lower first_token_timeout_s"
            refuse([(("cold_timeout_s",), refused(what, remedy))])
        return self


class MockSettings(Section):
    """Made-up answers, for trying the service without a model."""

    kind: Literal["mock"] = Field(
        default="mock", description="Kind of the provider. Absent: the entry's name."
    )
    enabled: bool = Field(
        default=False,
        description="Without true the server refuses to start with this provider in its sequence,"
        " so that nobody gets made-up answers by accident.",
    )
    model: ModelName = Field(default="mock", description="Name that the made-up model goes by.")


PROVIDER_KINDS: dict[str, type[OllamaSettings | MockSettings]] = {
    "ollama": OllamaSettings,
    "mock": MockSettings,
}
"""Every kind that there is, with its settings."""

ProviderSettings = Annotated[OllamaSettings | MockSettings, Field(discriminator="kind")]
