"""Settings of made-up answers."""

from typing import Literal

from pydantic import Field

from llmsvc_server.config.entry import ModelName
from llmsvc_server.config.section import Section


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

    @property
    def is_cloud(self) -> bool:
        """Whether requests leave the operator's network: they stay in this process."""
        return False

    @property
    def missing(self) -> str:
        """Why it can't be asked, as what follows "it"; "" if it can."""
        return "" if self.enabled else "makes its answers up: set enabled: true"
