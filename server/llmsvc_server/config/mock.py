"""Settings of made-up answers."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import override

from llmsvc_server.config.entry import KIND, EntrySettings, ModelName


class MockSettings(EntrySettings):
    """Made-up answers, for trying the service without a model."""

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
