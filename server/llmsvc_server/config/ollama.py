"""Settings of an Ollama, or of several that are asked as one."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from llmsvc_server.config.addresses import OllamaUrl
from llmsvc_server.config.entry import (
    COLD_S,
    DAY_S,
    Aliases,
    ConnectTimeout,
    IdleTimeout,
    MaxInFlight,
    MaxQueued,
    ModelName,
    QueueTimeout,
    ServeModels,
    Temperature,
    cold_is_shorter,
)
from llmsvc_server.config.home import LocalNetworks, foreign
from llmsvc_server.config.section import Expected, Section, blank_is_empty, refuse, refused

_DEFAULT_URL = "http://localhost:11434"


class OllamaSettings(Section):
    """An Ollama server, or several with the same models."""

    kind: Literal["ollama"] = Field(
        default="ollama", description="Kind of the provider. Absent: the entry's name."
    )
    base_urls: Annotated[
        tuple[OllamaUrl, ...],
        BeforeValidator(blank_is_empty),
        Field(max_length=64),
        Expected("a list of addresses such as [http://gpu-1:11434, http://gpu-2:11434]"),
    ] = Field(
        default=(),
        description="Roots of several servers, instead of `base_url`. Chats go to the one with the"
        " most room.",
        examples=[["http://gpu-1:11434", "http://gpu-2:11434"]],
    )
    base_url: OllamaUrl = Field(
        default_factory=lambda known: next(iter(known["base_urls"]), _DEFAULT_URL),
        description="Root of the server, without /api or /v1. A path before those is kept.",
        json_schema_extra={"x-default": f"`{_DEFAULT_URL}`, or the first of `base_urls`"},
    )
    local_networks: LocalNetworks = ()
    model: ModelName = Field(
        default="phi3:mini",
        description="Model for requests that name none. It has to be there: `ollama pull NAME`.",
    )
    temperature: Temperature = 0.7
    num_ctx: int | None = Field(
        default=2_048,
        ge=4,
        le=10_000_000,
        description="Context window in tokens, prompt and answer together. Requests can't change"
        " it: another window reloads the model for everybody. null: what Ollama chooses.",
    )
    aliases: Aliases = Field(default_factory=dict)
    serve_models: ServeModels = "any"
    allow_remote_models: bool = Field(
        default=False,
        description="Ask models too that Ollama itself forwards to its makers' cloud. Such a"
        " provider counts as a cloud.",
    )
    timeout: float = Field(
        default=60.0,
        ge=0.1,
        le=DAY_S,
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
    warm_on_start: Annotated[
        tuple[ModelName, ...],
        BeforeValidator(blank_is_empty),
        Field(max_length=64),
        Expected("a list of models' names such as [phi3:mini]"),
    ] = Field(
        default=(),
        description="Models that are loaded when the server starts, before anybody asks.",
        examples=[["phi3:mini"]],
    )
    heal_wedged_models: bool = Field(
        default=True,
        description="Unload and load a model again that is in memory and answers nothing.",
    )
    max_in_flight_per_model: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Chats that one model runs at once; the others wait here in turn. Keep it"
        " equal to OLLAMA_NUM_PARALLEL of the server.",
    )
    max_in_flight: MaxInFlight = Field(
        default=8,
        description="Chats that one server runs at once, over all models; never less than"
        " `max_in_flight_per_model`.",
    )
    max_queued: MaxQueued = 64
    queue_timeout_s: QueueTimeout = 10.0
    connect_timeout_s: ConnectTimeout = 2.0
    first_token_timeout_s: float = Field(
        default_factory=lambda known: known["timeout"],
        ge=0.1,
        le=DAY_S,
        description="Longest wait in seconds for the first token of a model in memory.",
        json_schema_extra={"x-default": "as timeout"},
    )
    idle_timeout_s: IdleTimeout = Field(
        default_factory=lambda known: known["timeout"],
        json_schema_extra={"x-default": "as timeout"},
    )
    cold_timeout_s: float = Field(
        default_factory=lambda known: max(COLD_S, known["first_token_timeout_s"]),
        ge=0.1,
        le=DAY_S,
        description="Longest wait in seconds for the first token of a model that has to be loaded"
        " first.",
        json_schema_extra={"x-default": "300, or first_token_timeout_s if that is more"},
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """Root of every server, at least one."""
        return self.base_urls or (self.base_url,)

    @property
    def is_cloud(self) -> bool:
        """Whether requests leave the operator's network: not as long as its models are local."""
        return False

    @property
    def missing(self) -> str:
        """Why it can't be asked: nothing is missing, since everything has a default."""
        return ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        places: dict[tuple[str, ...], str] = {
            ("base_urls", str(at)): url for at, url in enumerate(self.base_urls)
        } or {("base_url",): self.base_url}
        errors = list(foreign(places, self.local_networks))
        if self.base_urls and self.base_url != self.base_urls[0]:
            what = "stands beside base_urls, which names another server first"
            errors.append((("base_url",), refused(what, "remove it, or add it to base_urls")))
        errors += [
            (place, refused("is listed twice", "remove one"))
            for at, (place, url) in enumerate(places.items())
            if url in self.base_urls[:at]
        ]
        if self.cold_timeout_s < self.first_token_timeout_s:
            errors.append(cold_is_shorter(self.first_token_timeout_s))
        if errors:
            refuse(errors)
        return self
