"""One settings entry -> its adapters, one for each address.

Adapters of clouds are imported here when one is wanted, and so never under `local_only`.
"""

from collections.abc import Mapping

from llmsvc_server import __version__
from llmsvc_server.chat.route import Locality
from llmsvc_server.config.providers import (
    AnthropicSettings,
    MockSettings,
    OllamaSettings,
    OpenaiSettings,
)
from llmsvc_server.config.server import LimitsSettings
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.networks import Networks
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.providers.shortlist import USUAL_BOUND, Bound
from llmsvc_server.providers.unfinished import Unfinished

USER_AGENT = f"llmsvc/{__version__}"
USUAL_TOKENS = 8_192
"""Most tokens of an answer where nobody set a limit and the provider needs one, or runs on."""

Entry = OllamaSettings | OpenaiSettings | AnthropicSettings | MockSettings


def adapters(
    name: str,
    entry: Entry,
    limits: LimitsSettings,
    unfinished: Unfinished,
    bound: Bound = USUAL_BOUND,
) -> Mapping[str, ChatProvider]:
    """Return the adapters of one provider, by the names of its endpoints, not opened yet.

    Args:
        name: The provider's, which its only endpoint has too.
        entry: Its settings.
        limits: Of the answers; None tokens stand for what suits the kind.
        unfinished: Counts what upstreams have begun to send.
        bound: Which models are known of a long list.
    """
    match entry:
        case MockSettings():
            most_words = _usual_tokens(limits)
            return {name: MockProvider(name, model=entry.model, max_output_tokens=most_words)}
        case OllamaSettings():
            return {
                endpoint: _ollama(name, url, entry, limits, unfinished, bound)
                for endpoint, url in addresses(name, entry).items()
            }
        case OpenaiSettings():
            return {name: _openai(name, entry, limits, unfinished, bound)}
        case AnthropicSettings():
            return {name: _anthropic(name, entry, limits, unfinished)}


def addresses(name: str, entry: Entry) -> Mapping[str, str]:
    """Return the base URLs of one provider by the names of its endpoints; none of the mock's."""
    match entry:
        case MockSettings():
            return {}
        case OllamaSettings() if len(entry.urls) > 1:
            return {f"{name}#{place}": url for place, url in enumerate(entry.urls, 1)}
        case OllamaSettings():
            return {name: entry.urls[0]}
        case _:
            return {name: entry.base_url}


def _ollama(  # noqa: PLR0913, PLR0917  plain parts
    name: str,
    url: str,
    entry: OllamaSettings,
    limits: LimitsSettings,
    unfinished: Unfinished,
    bound: Bound,
) -> ChatProvider:
    return OllamaProvider(
        name,
        base_url=url,
        temperature=entry.temperature,
        num_ctx=entry.num_ctx,
        keep_alive_s=entry.keep_alive_s,
        max_output_tokens=_usual_tokens(limits),
        max_answer_bytes=limits.max_answer_bytes,
        unfinished=unfinished,
        connect_timeout_s=entry.connect_timeout_s,
        user_agent=USER_AGENT,
        networks=Networks(entry.local_networks),
        allows_remote=entry.allow_remote_models,
        bound=bound,
    )


def _openai(
    name: str, entry: OpenaiSettings, limits: LimitsSettings, unfinished: Unfinished, bound: Bound
) -> ChatProvider:
    from llmsvc_server.providers.openai.chat import OpenaiProvider  # noqa: PLC0415  see above

    return OpenaiProvider(
        name,
        base_url=entry.base_url,
        api_key=_secret(entry),
        locality=Locality.LOCAL if entry.local else Locality.REMOTE,
        networks=Networks(entry.local_networks) if entry.local else None,
        temperature=entry.temperature,
        max_output_tokens=limits.max_output_tokens,
        max_answer_bytes=limits.max_answer_bytes,
        unfinished=unfinished,
        window_tokens=entry.context_length,
        token_limit_field=entry.token_limit_field,
        stream_options=entry.stream_options,
        sends_store=entry.sends_store,
        connect_timeout_s=entry.connect_timeout_s,
        user_agent=USER_AGENT,
        configured_models=configured_models(entry),
        bound=bound,
    )


def _anthropic(
    name: str, entry: AnthropicSettings, limits: LimitsSettings, unfinished: Unfinished
) -> ChatProvider:
    from llmsvc_server.providers.anthropic.chat import (  # noqa: PLC0415  see above
        AnthropicProvider,
    )

    return AnthropicProvider(
        name,
        base_url=entry.base_url,
        api_key=_secret(entry) or "",
        temperature=entry.temperature,
        max_output_tokens=_usual_tokens(limits),
        max_answer_bytes=limits.max_answer_bytes,
        unfinished=unfinished,
        window_tokens=entry.context_length,
        connect_timeout_s=entry.connect_timeout_s,
        user_agent=USER_AGENT,
    )


def configured_models(entry: Entry) -> tuple[str, ...]:
    """Return the models that an entry names, as it spells them."""
    names = [entry.model or ""]
    if not isinstance(entry, MockSettings):
        names += entry.aliases.values()
    if isinstance(entry, OllamaSettings):
        names += entry.warm_on_start
    return tuple(filter(None, names))


def _usual_tokens(limits: LimitsSettings) -> int:
    return USUAL_TOKENS if limits.max_output_tokens is None else limits.max_output_tokens


def _secret(entry: OpenaiSettings | AnthropicSettings) -> str | None:
    return None if entry.api_key is None else entry.api_key.get_secret_value()
