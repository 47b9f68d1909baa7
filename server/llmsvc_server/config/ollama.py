"""Settings of an Ollama, or of several that are asked as one."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from llmsvc_server.config.addresses import OllamaUrl
from llmsvc_server.config.entry import KIND, After, ModelName
from llmsvc_server.config.home import LocalNetworks, find_foreign
from llmsvc_server.config.hosted import (
    COLD_S,
    DAY_S,
    ConnectTimeout,
    HostedSettings,
    IdleTimeout,
    MaxInFlight,
    Temperature,
    find_cold_errors,
)
from llmsvc_server.config.section import Expected, FieldError, blank_is_empty, value_error

_DEFAULT_URL = "http://localhost:11434"


class OllamaSettings(HostedSettings):
    """An Ollama server, or several with the same models."""

    reports_model_state: ClassVar[bool] = True

    kind: Annotated[Literal["ollama"], KIND] = "ollama"
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
    allow_remote_models: Annotated[bool, After("serve_models")] = Field(
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
    connect_timeout_s: Annotated[ConnectTimeout, After("queue_timeout_s")] = 2.0
    first_token_timeout_s: Annotated[float, After("connect_timeout_s")] = Field(
        default_factory=lambda known: known["timeout"],
        ge=0.1,
        le=DAY_S,
        description="Longest wait in seconds for the first token of a model in memory.",
        json_schema_extra={"x-default": "as timeout"},
    )
    idle_timeout_s: Annotated[IdleTimeout, After("first_token_timeout_s")] = Field(
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
    @override
    def urls(self) -> tuple[str, ...]:
        return self.base_urls or (self.base_url,)

    @property
    @override
    def models_to_warm(self) -> tuple[str, ...]:
        return self.warm_on_start

    @property
    @override
    def summary(self) -> str:
        return f"{super().summary}, {self.max_in_flight_per_model} at a time, others wait"

    @property
    @override
    def may_forward(self) -> bool:
        return self.allow_remote_models

    @property
    @override
    def heals(self) -> bool:
        return self.heal_wedged_models

    @property
    def window_tokens(self) -> int | None:
        """Context window of the model; None if it is unknown."""
        return self.num_ctx

    @property
    @override
    def max_in_flight_of_model(self) -> int:
        return self.max_in_flight_per_model

    @property
    @override
    def queue_advice(self) -> str:
        return (
            f"calls wait behind max_in_flight_per_model: {self.max_in_flight_per_model}; raise it"
            " together with OLLAMA_NUM_PARALLEL if the machine can run more at once"
        )

    @override
    def _find_errors(self) -> Iterator[FieldError]:
        places: dict[tuple[str, ...], str] = {
            ("base_urls", str(at)): url for at, url in enumerate(self.base_urls)
        } or {("base_url",): self.base_url}
        yield from find_foreign(places, self.local_networks)
        if self.base_urls and self.base_url != self.base_urls[0]:
            what = "stands beside base_urls, which names another server first"
            yield ("base_url",), value_error(what, "remove it, or add it to base_urls")
        for at, (place, url) in enumerate(places.items()):
            if url in self.base_urls[:at]:
                yield place, value_error("is listed twice", "remove one")
        yield from find_cold_errors(self.cold_timeout_s, self.first_token_timeout_s)
