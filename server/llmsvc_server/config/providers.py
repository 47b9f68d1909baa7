"""Every kind of provider that there is, with its settings."""

from typing import Annotated

from pydantic import Field

from llmsvc_server.config.anthropic import AnthropicSettings
from llmsvc_server.config.mock import MockSettings
from llmsvc_server.config.ollama import OllamaSettings
from llmsvc_server.config.openai import OpenaiSettings

__all__ = [
    "PROVIDER_KINDS",
    "AnthropicSettings",
    "HostedEntry",
    "MockSettings",
    "OllamaSettings",
    "OpenaiSettings",
    "ProviderEntry",
    "ProviderSettings",
]

HostedEntry = OllamaSettings | OpenaiSettings | AnthropicSettings
ProviderEntry = HostedEntry | MockSettings

PROVIDER_KINDS: dict[str, type[ProviderEntry]] = {
    "ollama": OllamaSettings,
    "openai": OpenaiSettings,
    "anthropic": AnthropicSettings,
    "mock": MockSettings,
}
"""In the order of the documentation."""

ProviderSettings = Annotated[ProviderEntry, Field(discriminator="kind")]
