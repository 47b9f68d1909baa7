"""The adapter for OpenAI-compatible servers with everyday settings, for tests."""

from collections.abc import Collection

from llmsvc_server.chat.route import Locality
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.unfinished import unfinished


def openai_at(  # noqa: PLR0913  the adapter's own settings
    base_url: str,
    *,
    api_key: str | None = None,
    locality: Locality = Locality.LOCAL,
    temperature: float | None = None,
    max_output_tokens: int | None = 8_192,
    window_tokens: int | None = None,
    token_limit_field: str = "max_tokens",  # noqa: S107  tokens of text
    stream_options: bool = True,
    is_openai: bool = False,
    connect_timeout_s: float = 2.0,
    configured_models: Collection[str] = (),
) -> OpenaiProvider:
    """Return an adapter for the server at `base_url`, a local one unless told otherwise."""
    return OpenaiProvider(
        "vllm",
        base_url=base_url,
        api_key=api_key,
        locality=locality,
        networks=Networks() if locality is Locality.LOCAL else None,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        max_answer_bytes=MAX_ANSWER_BYTES,
        unfinished=unfinished(),
        window_tokens=window_tokens,
        token_limit_field=token_limit_field,
        stream_options=stream_options,
        is_openai=is_openai,
        connect_timeout_s=connect_timeout_s,
        user_agent="llmsvc/test",
        configured_models=configured_models,
    )
