"""One chat over HTTP: post, check, read, close or drain. The same for every adapter."""

from dataclasses import replace
from typing import Generic, TypeVar

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.features import NO_FEATURES
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.response import BODY_FAULTS, MUCH_BYTES, UpstreamResponse
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.shared.body_tail import BodyTail
from llmsvc_server.providers.shared.dialect import Dialect, Terms
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES
from llmsvc_server.providers.shared.length import Length
from llmsvc_server.providers.shared.refusal import OK, error_from_body
from llmsvc_server.providers.shared.room import REFUSED

DRAIN_S = 0.05
"""How long a complete answer's connection may take to become free (docs/failover.md 3.3)."""

F = TypeVar("F")


class Exchange(Generic[F]):
    """Runs chats with one provider. Waits for connections and, at an answer's end, for its rest."""

    def __init__(
        self,
        client: HttpClient,
        dialect: Dialect[F],
        *,
        unfinished: Unfinished,
        max_answer_bytes: int,
    ) -> None:
        """Send nothing yet.

        Args:
            client: Has the connections.
            dialect: What the provider has of its own.
            unfinished: Counts what upstreams have begun to send.
            max_answer_bytes: Longest text of one answer, in UTF-8.
        """
        self._client = client
        self._dialect = dialect
        self._unfinished = unfinished
        self._max_answer_bytes = max_answer_bytes

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one chat; see `ChatProvider`.

        Raises:
            ProviderError: The provider did not answer, or not well.
        """
        model = request.model
        tails = Tails(self._unfinished)
        reader = self._dialect.reader(request, tails)
        try:
            response, terms = await self._ask(request, limits)
            del request  # It can't be sent again: a prompt is not kept as long as its answer takes.
            done: Done | None = None
            try:
                reader.begin(response.content_type, response.headers)
                response.ends(limits.turn)
                ending = reader.ending
                tail: BodyTail | None = None
                length = Length(terms.max_tokens, max_bytes=self._max_answer_bytes)
                while not (reader.over or length.is_over):
                    if ending.is_marked or response.rest:
                        tail = tail or BodyTail(response, ending)
                        data = await tail.read()
                    else:
                        try:
                            data = await response.readany()  # Every token goes this way.
                        except BODY_FAULTS:
                            raise response.lost() from None
                        data = data if len(data) < MUCH_BYTES else await response.share(data)
                    event = reader.take(data)
                    if event is not None:
                        if isinstance(event, Delta):
                            length.add(event.text)
                        yield event
                ended = reader if reader.over else length
                done = ended.end(terms.adjustments)
                yield done
            except ProviderError as error:
                raise replace(error, requests=response.requests) from None
            finally:
                # The place is free already; only this answer waits for its connection, `DRAIN_S` at most.
                await response.release(DRAIN_S if done is not None and reader.over else 0)
        except ProviderError as error:
            raise error.in_answer(model, reader.phase) from None
        finally:
            tails.clear()

    async def _ask(
        self, request: ChatRequest, limits: AttemptLimits
    ) -> tuple[UpstreamResponse, Terms]:
        """Return the response that is to be an answer, and what it is measured by.

        Where a refusal says how to ask, the request is put so, once: it ran nothing.

        Raises:
            ProviderError: There is no such response.
        """
        dialect = self._dialect
        form = dialect.form(request)
        body, terms = dialect.encode(request, form)
        features = request.features
        may_repeat = limits.may_repeat and dialect.resends_lost
        if features is not NO_FEATURES and features.has_schema:
            may_repeat = False  # it may be the schema that ended the server
        response = await self._client.post(dialect.path, body, may_repeat=may_repeat)
        if response.status == OK:
            return response, terms
        error, better = await self._read_refusal(response, form)
        if better is None or not limits.may_repeat or response.requests > 1:
            raise error
        body, terms = dialect.encode(request, better)
        response = await self._client.post_instead(dialect.path, body, response)
        if response.status != OK:
            error, _ = await self._read_refusal(response, better)
            raise error
        dialect.learn(request.model, better)
        return response, terms

    async def _read_refusal(
        self, response: UpstreamResponse, form: F
    ) -> tuple[ProviderError, F | None]:
        """Return what a refusal means, and how it wants the request put; None if unsaid."""
        try:
            body = await response.read_some(MAX_ERROR_BYTES)
        finally:
            response.close()
        error = error_from_body(response, body, self._dialect.classify)
        better = self._dialect.correct(form, body) if response.status in REFUSED else None
        return replace(error, requests=response.requests), better
