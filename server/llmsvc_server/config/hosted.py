"""Settings of every provider that is reached over the network, each with its bounds and meaning."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from llmsvc_server.config.entry import After, EntrySettings
from llmsvc_server.config.section import Expected, FieldError, is_blank, raise_errors, value_error

DAY_S = 86_400
COLD_S = 300.0

_FIRST_TOKEN_S = 12.0
_IDLE_S = 30.0

Temperature = Annotated[
    float | None,
    Field(
        ge=0,
        le=2,
        description="Temperature of requests that set none. null: what the model comes with.",
    ),
]


def _drop_blank_aliases(given: object) -> object:
    return {} if is_blank(given) else given


Aliases = Annotated[
    Mapping[
        Annotated[str, Field(pattern=r"^[!-~]{1,256}$")],
        Annotated[str, Field(pattern=r"^[!-~]{1,256}$")],
    ],
    BeforeValidator(_drop_blank_aliases),
    Field(
        max_length=1_000,
        description="Model that a request names -> model that runs here instead; `*` stands for"
        " every other name.",
        json_schema_extra={"x-default": "`{}`"},
        examples=[{"llama3.2": "gpt-4o-mini"}],
    ),
    Expected("a map from model to model such as {llama3.2: gpt-4o-mini}"),
]

ConnectTimeout = Annotated[
    float,
    Field(ge=0.1, le=300, description="Longest wait in seconds for a connection."),
]

FirstTokenTimeout = Annotated[
    float, Field(ge=0.1, le=DAY_S, description="Longest wait in seconds for the first token.")
]

IdleTimeout = Annotated[
    float,
    Field(
        ge=0.1,
        le=DAY_S,
        description="Longest gap in seconds between two pieces of an answer.",
    ),
]

MaxInFlight = Annotated[
    int, Field(ge=1, le=10_000, description="Chats that run there at once; others wait here.")
]


class HostedSettings(EntrySettings):
    """A provider behind an address. The defaults suit a cloud."""

    base_url: Annotated[str, After("kind")]
    temperature: Annotated[Temperature, After("model")] = None
    aliases: Aliases = Field(default_factory=dict)
    serve_models: Annotated[
        Literal["any", "configured"],
        Field(
            description="Which models requests may name here: `any`, or `configured` ones, which"
            " are `model` and those of `aliases`.",
        ),
    ] = "any"
    timeout: float | None = Field(
        default=None,
        ge=0.1,
        le=DAY_S,
        description="Patience in seconds with silence: for the first token, and for each gap after"
        " it. Never the length of a healthy answer. null: what suits such a provider.",
    )
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
    max_queued: int = Field(
        default=64,
        ge=0,
        le=100_000,
        description="Chats that may wait for one model; one more goes to the next provider, or is"
        " refused. With the queue full that is one of the host that has most.",
    )
    queue_timeout_s: float = Field(
        default=10.0,
        ge=0,
        le=DAY_S,
        description="Longest wait in seconds while another provider could answer. Without one a"
        " chat waits as long as its deadline allows.",
    )

    @property
    @override
    def urls(self) -> tuple[str, ...]:
        return (self.base_url,)

    @property
    @override
    def named_models(self) -> tuple[str, ...]:
        return (*super().named_models, *self.aliases.values(), *self.models_to_warm)

    @property
    @override
    def summary(self) -> str:
        return f"{self.model} at {' and '.join(self.urls)}"

    @property
    def max_in_flight_of_model(self) -> int:
        """Chats that one model runs at once."""
        return self.max_in_flight

    @property
    @override
    def loads_models(self) -> bool:
        return not self.is_cloud

    @property
    def queue_advice(self) -> str:
        """What to change if calls wait here too long."""
        return f"calls wait behind max_in_flight: {self.max_in_flight}; raise it if more may run"

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if errors := list(self._find_errors()):
            raise_errors(errors)
        return self

    def _find_errors(self) -> Iterator[FieldError]:
        """Yield what does not go with another setting."""
        yield from ()


def find_cold_errors(cold_s: float, first_token_s: float) -> Iterator[FieldError]:
    """Yield what is wrong with a limit for cold models below the one for models in memory."""
    if cold_s < first_token_s:
        what = "is less than the limit for a model that is in memory already"
        remedy = f"give at least {first_token_s:g}, or lower first_token_timeout_s"
        yield ("cold_timeout_s",), value_error(what, remedy)
