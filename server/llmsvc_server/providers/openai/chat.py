"""Adapter: one provider of OpenAI-compatible chat completions, hosted or local."""

from collections.abc import Collection, Mapping

from typing_extensions import override
from yarl import URL

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.providers.openai.dialect import OpenaiDialect
from llmsvc_server.providers.openai.engine import wait_until_loaded
from llmsvc_server.providers.openai.forms import RequestForms
from llmsvc_server.providers.openai.models import OpenaiModels
from llmsvc_server.providers.openai.profiles import missing_at
from llmsvc_server.providers.openai.spelling import Spelling
from llmsvc_server.providers.shared.event_reader import STREAM
from llmsvc_server.providers.shared.exchange import Exchange
from llmsvc_server.providers.shared.provider import HttpProvider
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound

_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


class OpenaiProvider(HttpProvider):
    """A `ChatProvider`, a `ListsModels` and a `WarmsModels`. Use as an async context manager."""

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        name: str,
        *,
        base_url: str,
        api_key: str | None,
        locality: Locality,
        networks: Networks | None,
        temperature: float | None,
        max_output_tokens: int | None,
        max_answer_bytes: int,
        unfinished: Unfinished,
        window_tokens: int | None,
        token_limit_field: str,
        stream_options: bool,
        is_openai: bool,
        connect_timeout_s: float,
        user_agent: str,
        configured_models: Collection[str] = (),
        bound: Bound = USUAL_BOUND,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: Its key in the configuration.
            base_url: Where `/chat/completions` is, such as "http://127.0.0.1:8000/v1".
            api_key: Our key; None where none is wanted.
            locality: Whether it is in the operator's network.
            networks: Where connections may lead; None for anywhere.
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1; None for no limit of ours.
            max_answer_bytes: Longest text of one answer, in UTF-8.
            unfinished: Counts what upstreams have begun to send.
            window_tokens: Context window of its models; None if unknown.
            token_limit_field: "max_completion_tokens" or "max_tokens", as the server knows it.
            stream_options: Whether to ask for an answer's usage by that name.
            is_openai: Whether it is OpenAI's own service, at home or at Azure.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
            configured_models: What it is asked for although it lists nothing.
            bound: Which models are known of a long list.
        """
        is_local = locality is Locality.LOCAL

        def client_at(url: str) -> HttpClient:
            return HttpClient(
                url,
                connect_timeout_s=connect_timeout_s,
                user_agent=user_agent,
                accept=STREAM,
                own_headers=key_header(base_url, api_key),
                networks=networks,
            )

        client = client_at(base_url)
        roots = (str(URL(base_url).origin()), base_url.removesuffix("/v1")) if is_local else ()
        self._roots = tuple(map(client_at, dict.fromkeys(roots)))
        self._models = OpenaiModels(
            client, self._roots, unfinished=unfinished, configured=configured_models, bound=bound
        )
        dialect = OpenaiDialect(
            self._models,
            RequestForms(
                limit_field=token_limit_field,
                has_usage=stream_options,
                window_tokens=window_tokens,
                spelling=Spelling(
                    names_choice=not is_local, limits_calls=is_openai, is_strict=is_openai
                ),
            ),
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            is_openai=is_openai,
            is_local=is_local,
        )
        exchange = Exchange(
            client, dialect, unfinished=unfinished, max_answer_bytes=max_answer_bytes
        )
        info = ProviderInfo(name=name, kind=ProviderKind.OPENAI, locality=locality)
        super().__init__(info, exchange, [client, *self._roots])
        self._host = URL(base_url).host or ""

    async def catalogue(self) -> Catalogue:
        """Return which models the provider lists now.

        Raises:
            ProviderError: It cannot be reached in time, or it is no such provider.
        """
        return await self._models.catalogue()

    @override
    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        return needs & missing_at(self._host, model)

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        return self._models.identity(name)

    async def warm(self, model: str) -> None:
        """Return once a local engine serves its model.

        Raises:
            ProviderError: It is not going to.
        """
        if self._models.leads_outside(model):
            raise ProviderError(ErrorKind.REMOTE_REFUSED, called=False)
        if self._roots:
            await wait_until_loaded(self._roots[0])

    async def unload(self, model: str) -> None:
        """Do nothing: no such provider frees a model's memory on request."""


def key_header(base_url: str, api_key: str | None) -> Mapping[str, str]:
    """Return the header with our key; Azure has its own (docs/facts/providers.md 1.7)."""
    if not api_key:
        return {}
    if (URL(base_url).host or "").endswith(_AZURE):
        return {"api-key": api_key}
    return {"Authorization": f"Bearer {api_key}"}
