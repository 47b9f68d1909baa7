"""The adapter of Anthropic with everyday settings, on a fake."""

from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from tests.fakes.fake_anthropic import KEY
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.unfinished import unfinished

MODEL = "claude-haiku-4-5"


def anthropic_at(  # noqa: PLR0913  the adapter's own settings
    base_url: str,
    *,
    api_key: str = KEY,
    temperature: float | None = 0.7,
    max_output_tokens: int = 8_192,
    window_tokens: int | None = None,
    connect_timeout_s: float = 2.0,
) -> AnthropicProvider:
    """Return an adapter for a server at `base_url`."""
    return AnthropicProvider(
        "anthropic",
        base_url=base_url,
        api_key=api_key,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        max_answer_bytes=MAX_ANSWER_BYTES,
        unfinished=unfinished(),
        window_tokens=window_tokens,
        connect_timeout_s=connect_timeout_s,
        user_agent="llmsvc/test",
    )
