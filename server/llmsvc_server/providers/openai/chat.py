"""Adapter: chats with one provider of OpenAI-compatible chat completions, hosted or local.

Sends, reads, translates; waits for nothing but connections and, at an answer's end, its usage.
"""

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from yarl import URL

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.request import ChatRequest, Sampling
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.http.client import Upstream
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.openai.asking import Asking, RequestForm, corrected
from llmsvc_server.providers.openai.engine import loaded
from llmsvc_server.providers.openai.errors import classify_refusal
from llmsvc_server.providers.openai.models import OpenaiModels
from llmsvc_server.providers.openai.reading import Reading
from llmsvc_server.providers.openai.wire import encode_chat, left_out
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES
from llmsvc_server.providers.shared.length import Length
from llmsvc_server.providers.shared.refusal import OK, error_from_body
from llmsvc_server.providers.shared.rest import Rest
from llmsvc_server.providers.shared.room import REFUSED
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound

DRAIN_S = 0.05
"""How long a complete answer's connection may take to become free."""

_CHAT = "/chat/completions"
_STREAM = "text/event-stream"
_WHOLE = "application/json"
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
        max_output_tokens: int | None,
        max_answer_bytes: int,
        unfinished: Unfinished,
        window_tokens: int | None,
        token_limit_field: str,
        stream_options: bool,
        sends_store: bool,
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
            sends_store: Whether to ask the vendor not to keep answers.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
            configured_models: What it is asked for although it lists nothing.
            bound: Which models are known of a long list.
        """
        self._info = ProviderInfo(name=name, kind=ProviderKind.OPENAI, locality=locality)
        self._is_local = locality is Locality.LOCAL
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._max_answer_bytes = max_answer_bytes
        self._unfinished = unfinished
        self._asking = Asking(
            limit_field=token_limit_field, has_usage=stream_options, window_tokens=window_tokens
        )
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
        self._models = OpenaiModels(
            self._upstream,
            self._roots,
            unfinished=unfinished,
            configured=configured_models,
            bound=bound,
        )
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

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one chat; see `ChatProvider`. `request.model` is the provider's spelling.

        Raises:
            ProviderError: The provider did not answer, or not well.
        """
        if self._models.leads_outside(request.model):
            raise ProviderError(ErrorKind.REMOTE_REFUSED, model=request.model, called=False)
        tails = Tails(self._unfinished)
        reading = Reading(
            tails, is_local=self._is_local, stop_sequences=request.sampling.stop_sequences
        )
        try:
            most_tokens = request.sampling.limit(self._max_output_tokens)
            answer, form = await self._asked(request, most_tokens, limits)
            done: Done | None = None
            try:
                _begin(reading, answer)
                answer.ends(limits.turn)
                rest = Rest(answer, reading.ending)
                length = Length(most_tokens, most_bytes=self._max_answer_bytes)
                while not (reading.over or length.is_over):
                    data = await rest.read()
                    if (event := reading.take(data)) is not None:
                        if isinstance(event, Delta):
                            length.add(event.text)
                        yield event
                ended = reading if reading.over else length
                done = ended.end(self._told(request.sampling, form))
                yield done
            except ProviderError as error:
                raise replace(error, requests=answer.requests) from None
            finally:
                # After the end has been told: nobody waits for the connection to become free.
                if done is None or not reading.over:
                    answer.close()
                else:
                    await answer.release(DRAIN_S)
        except ProviderError as error:
            raise error.in_answer(request.model, reading.phase) from None
        finally:
            tails.clear()

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
            raise ProviderError(ErrorKind.REMOTE_REFUSED, called=False)
        if self._roots:
            await loaded(self._roots[0])

    async def unload(self, model: str) -> None:
        """Do nothing: no such provider frees a model's memory on request."""

    async def _asked(
        self, request: ChatRequest, most_tokens: int | None, limits: AttemptLimits
    ) -> tuple[Answer, RequestForm]:
        """Return the response that is to be an answer, and how the request was put.

        Where a refusal says how to ask, the request is put so, once: it ran nothing.

        Raises:
            ProviderError: There is no such response.
        """
        form = self._asking.form(request, most_tokens)
        # A lost request may be paid in a cloud: there a retry is the schedule's, and in the receipt.
        may_repeat = limits.may_repeat and self._is_local
        answer = await self._upstream.post(
            _CHAT, self._encoded(request, form), may_repeat=may_repeat
        )
        if answer.status == OK:
            return answer, form
        error, better = await self._refused(answer, form)
        if better is None or not limits.may_repeat or answer.requests > 1:
            raise error
        answer = await self._upstream.post_instead(_CHAT, self._encoded(request, better), answer)
        if answer.status != OK:
            error, _ = await self._refused(answer, better)
            raise error
        self._asking.learn(request.model, better)
        return answer, better

    async def _refused(
        self, answer: Answer, form: RequestForm
    ) -> tuple[ProviderError, RequestForm | None]:
        """Return what a refusal means, and how it wants the request put; None if unsaid."""
        try:
            body = await answer.read_some(MAX_ERROR_BYTES)
        finally:
            answer.close()
        error = error_from_body(answer, body, partial(classify_refusal, is_local=self._is_local))
        error = replace(error, requests=answer.requests)
        return error, corrected(form, body) if answer.status in REFUSED else None

    def _told(self, sampling: Sampling, form: RequestForm) -> tuple[Adjustment, ...]:
        """Return what was not sent as the caller asked."""
        left = left_out(sampling, is_local=self._is_local)
        return (*sampling.limited_to(form.most_tokens), *left)

    def _encoded(self, request: ChatRequest, form: RequestForm) -> bytes:
        return encode_chat(
            request,
            most_tokens=form.most_tokens,
            token_limit_field=form.limit_field,
            has_usage=form.has_usage,
            temperature=self._temperature,
            sends_store=self._sends_store,
            is_local=self._is_local,
        )


def _begin(reading: Reading, answer: Answer) -> None:
    """Tell `reading` what kind of answer comes.

    Raises:
        ProviderError: PROTOCOL. None that could be one.
    """
    if answer.content_type not in {_STREAM, _WHOLE}:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=OK)
    reading.identify(answer.headers.get("x-request-id"))
    if answer.content_type == _WHOLE:
        reading.expect_whole()


def _authority(base_url: str, api_key: str | None) -> Mapping[str, str]:
    """Return the header with our key; Azure has its own (docs/facts/providers.md 1.7)."""
    if not api_key:
        return {}
    if (URL(base_url).host or "").endswith(_AZURE):
        return {"api-key": api_key}
    return {"Authorization": f"Bearer {api_key}"}
