"""Settings of made-up answers."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from llmsvc_server.config.entry import KIND, EntrySettings, ModelName


class MockSettings(EntrySettings):
    """Made-up answers, for trying the service without a model."""

    # They are made at once, however many, and never fail.
    aliases: ClassVar[Mapping[str, str]] = {}
    serve_models: ClassVar[str] = "any"
    window_tokens: ClassVar[int | None] = None
    max_in_flight: ClassVar[int] = 1_000_000
    max_in_flight_of_model: ClassVar[int] = max_in_flight
    max_queued: ClassVar[int] = 0
    queue_timeout_s: ClassVar[float] = 0.0
    queue_advice: ClassVar[str] = ""
    first_token_timeout_s: ClassVar[float] = 60.0
    cold_timeout_s: ClassVar[float] = 60.0
    idle_timeout_s: ClassVar[float] = 60.0

    kind: Annotated[Literal["mock"], KIND] = "mock"
    enabled: bool = Field(
        default=False,
        description="Without true the server refuses to start with this provider in its sequence,"
        " so that nobody gets made-up answers by accident.",
    )
    model: ModelName = Field(default="mock", description="Name that the made-up model goes by.")

    @property
    @override
    def is_enabled(self) -> bool:
        return self.enabled
