"""Settings of Anthropic's messages."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from llmsvc_server.config.addresses import AnthropicUrl
from llmsvc_server.config.entry import KIND
from llmsvc_server.config.keyed import ApiKey, KeyedSettings


class AnthropicSettings(KeyedSettings):
    """Anthropic."""

    vendor_domain: ClassVar[str] = "api.anthropic.com"
    vendor_variable: ClassVar[str] = "ANTHROPIC_API_KEY"

    kind: Annotated[Literal["anthropic"], KIND] = "anthropic"
    base_url: AnthropicUrl = Field(
        default="https://api.anthropic.com", description="Root of the server, without /v1."
    )
    api_key: ApiKey = Field(
        default=None,
        json_schema_extra={"x-default": f"`api_key_file`, else the variable `{vendor_variable}`"},
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Temperature of requests that set none. null: what the model comes with; new"
        " models take none at all.",
    )

    @property
    def cold_timeout_s(self) -> float:
        """Longest wait for a model that is not in memory: a cloud's always is."""
        return self.first_token_timeout_s
