"""Adapter: chats with one provider of OpenAI-compatible chat completions, hosted or local.

Sends, reads, translates; waits for nothing but connections and, at an answer's end, its usage.
"""

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from yarl import URL

from llmsvc_server.chat.deadline import Budget
from llmsvc_server.chat.events import ChatEvents, Done
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import (
    ProviderError,
    ProviderFailed,
    ProviderProtocolError,
    RouteForbidden,
)
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.answer import Answer
from llmsvc_server.providers.http import Upstream
from llmsvc_server.providers.networks import Networks
from llmsvc_server.providers.openai.engine import loaded
from llmsvc_server.providers.openai.models import OpenaiModels
from llmsvc_server.providers.openai.reading import Reading
from llmsvc_server.providers.openai.refused import OK, refusal
from llmsvc_server.providers.openai.wire import encode_chat, left_out
from llmsvc_server.providers.rest import Rest

DRAIN_S = 0.05
"""How long a complete answer's connection may take to become free."""

_CHAT = "/chat/completions"
_STREAM = "text/event-stream"
_WHOLE = "application/json"
_FAULTS = (ProviderFailed, ProviderProtocolError)
"""Failures of which a caller is told how far the answer had come."""

_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


class OpenaiProvider:
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
        max_output_tokens: int,
        token_limit_field: str,
        sends_store: bool,
        connect_timeout_s: float,
        user_agent: str,
        configured_models: Collection[str] = (),
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: Its key in the configuration.
            base_url: Where `/chat/completions` is, such as "http://127.0.0.1:8000/v1".
            api_key: Our key; None where none is wanted.
            locality: Whether it is in the operator's network.
            networks: Where connections may lead; None for anywhere.
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1.
            token_limit_field: "max_completion_tokens" or "max_tokens", as the server knows it.
            sends_store: Whether to ask the vendor not to keep answers.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
            configured_models: What it is asked for although it lists nothing.
        """
        self._info = ProviderInfo(name=name, kind=ProviderKind.OPENAI, locality=locality)
        self._is_local = locality is Locality.LOCAL
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._token_limit_field = token_limit_field
        self._sends_store = sends_store

        def upstream_at(url: str) -> Upstream:
            return Upstream(
                url,
                connect_timeout_s=connect_timeout_s,
                user_agent=user_agent,
                accept=_STREAM,
                own_headers=_authority(base_url, api_key),
                networks=networks,
            )

        self._upstream = upstream_at(base_url)
        roots = (
            (str(URL(base_url).origin()), base_url.removesuffix("/v1")) if self._is_local else ()
        )
        self._roots = tuple(map(upstream_at, dict.fromkeys(roots)))
        self._models = OpenaiModels(self._upstream, self._roots, configured=configured_models)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        await self._open.enter_async_context(self._upstream)
        for root in self._roots:
            await self._open.enter_async_context(root)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._open.aclose()

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Run one chat; see `ChatProvider`. `request.model` is the provider's spelling.

        Raises:
            ProviderError: The provider did not answer, or not well.
        """
        reading = Reading(is_local=self._is_local, stop_sequences=request.sampling.stop_sequences)
        try:
            if self._models.leads_outside(request.model):
                raise RouteForbidden(called=False)
            most_tokens, clamped = request.sampling.output_limit(self._max_output_tokens)
            body = self._encoded(request, most_tokens)
            # No silent second request to a cloud: a retry is the course's, and in the receipt.
            may_repeat = budget.may_repeat and self._is_local
            answer = await self._upstream.post(_CHAT, body, may_repeat=may_repeat)
            done: Done | None = None
            try:
                await self._check(answer)
                reading.identify(answer.headers.get("x-request-id"))
                if answer.content_type == _WHOLE:
                    reading.expect_whole()
                rest = Rest(answer, reading.ending)
                while not reading.over:
                    data = await rest.read()
                    if (delta := reading.take(data)) is not None:
                        yield delta
                done = reading.end((*clamped, *left_out(request.sampling, is_local=self._is_local)))
                yield done
            finally:
                # After the end has been told: nobody waits for the connection to become free.
                if done is None:
                    answer.close()
                else:
                    await answer.release(DRAIN_S)
        except ProviderError as error:
            error.model = request.model
            if isinstance(error, _FAULTS):
                error.phase = error.phase or reading.phase
            raise

    async def catalogue(self) -> Catalogue:
        """Return which models the provider lists now.

        Raises:
            ProviderError: It cannot be reached in time, or it is no such provider.
        """
        return await self._models.catalogue()

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        return self._models.identity(name)

    async def warm(self, model: str) -> None:
        """Return once a local engine serves its model.

        Raises:
            ProviderError: It is not going to.
        """
        if self._models.leads_outside(model):
            raise RouteForbidden(called=False)
        if self._roots:
            await loaded(self._roots[0])

    async def unload(self, model: str) -> None:
        """Do nothing: no such provider frees a model's memory on request."""

    def _encoded(self, request: ChatRequest, most_tokens: int) -> bytes:
        return encode_chat(
            request,
            most_tokens=most_tokens,
            token_limit_field=self._token_limit_field,
            temperature=self._temperature,
            sends_store=self._sends_store,
            is_local=self._is_local,
        )

    async def _check(self, answer: Answer) -> None:
        """Return if a response can be an answer.

        Raises:
            ProviderError: What it is instead.
        """
        if answer.status != OK:
            raise await refusal(answer, is_local=self._is_local)
        if answer.content_type not in {_STREAM, _WHOLE}:
            raise ProviderProtocolError(row="C08", status=OK)


def _authority(base_url: str, api_key: str | None) -> Mapping[str, str]:
    """Return the header with our key; Azure has its own (facts/providers.md 1.7)."""
    if not api_key:
        return {}
    if (URL(base_url).host or "").endswith(_AZURE):
        return {"api-key": api_key}
    return {"Authorization": f"Bearer {api_key}"}
