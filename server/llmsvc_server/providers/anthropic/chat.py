"""Adapter: chats with Anthropic's models, over its Messages.

Sends, reads, translates; waits for nothing but connections and, at an answer's end, its last event.
"""

from dataclasses import replace
from types import TracebackType
from typing import Self

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.asking import room_for
from llmsvc_server.providers.anthropic.errors import classify_refusal
from llmsvc_server.providers.anthropic.reading import Reading
from llmsvc_server.providers.anthropic.settings import settings_for
from llmsvc_server.providers.anthropic.wire import encode_chat
from llmsvc_server.providers.http.client import Upstream
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES
from llmsvc_server.providers.shared.length import Length
from llmsvc_server.providers.shared.refusal import OK, error_from_body
from llmsvc_server.providers.shared.rest import Rest
from llmsvc_server.providers.shared.room import REFUSED, Room, Rooms

VENDOR_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
"""Of the protocol (docs/facts/providers.md 2.1). The next, 2026-10-21, knows no `temperature`."""

DRAIN_S = 0.05
"""How long a complete answer's connection may take to become free."""

_CHAT = "/v1/messages"
_STREAM = "text/event-stream"
_WHOLE = "application/json"


class AnthropicProvider:
    """A `ChatProvider` that is never local. Use as an async context manager."""

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        name: str,
        *,
        base_url: str = VENDOR_URL,
        api_key: str,
        temperature: float | None,
        max_output_tokens: int,
        max_answer_bytes: int,
        unfinished: Unfinished,
        window_tokens: int | None,
        connect_timeout_s: float,
        user_agent: str,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: Its key in the configuration.
            base_url: Root of the server, without a slash at its end; a path prefix is kept.
            api_key: Our key.
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1.
            max_answer_bytes: Longest text of one answer, in UTF-8.
            unfinished: Counts what upstreams have begun to send.
            window_tokens: Context window of its models; None if unknown.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
        """
        self._info = ProviderInfo(name=name, kind=ProviderKind.ANTHROPIC, locality=Locality.REMOTE)
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._max_answer_bytes = max_answer_bytes
        self._unfinished = unfinished
        self._rooms = Rooms(window_tokens)
        self._upstream = Upstream(
            base_url,
            connect_timeout_s=connect_timeout_s,
            user_agent=user_agent,
            accept=_STREAM,
            own_headers={"x-api-key": api_key, "anthropic-version": VERSION},
        )

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        await self._upstream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._upstream.__aexit__(kind, error, trace)

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one chat; see `ChatProvider`. `request.model` is the provider's spelling.

        A request is run once: where a connection dies, only the server knows whether it is paid.

        Raises:
            ProviderError: The provider did not answer, or not well.
        """
        tails = Tails(self._unfinished)
        reading = Reading(tails, request.sampling.stop_sequences)
        try:
            most_tokens, _ = request.sampling.output_limit(self._max_output_tokens)
            answer, adjustments = await self._asked(request, most_tokens, limits)
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
                done = ended.end(adjustments)
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

    async def _asked(
        self, request: ChatRequest, most_tokens: int, limits: AttemptLimits
    ) -> tuple[Answer, tuple[Adjustment, ...]]:
        """Return the response that is to be an answer, and what was not sent as it was asked.

        Where a refusal says which limit the model takes, that is asked for, once: it ran nothing.

        Raises:
            ProviderError: There is no such response.
        """
        limit = self._rooms.fitted(request, most_tokens)
        body, adjustments = self._encoded(request, limit)
        answer = await self._upstream.post(_CHAT, body, may_repeat=False)
        if answer.status == OK:
            return answer, adjustments
        error, room = await _refused(answer, limit)
        if room is None or not limits.may_repeat:
            raise error
        body, adjustments = self._encoded(request, room.left(limit) or limit)
        answer = await self._upstream.post_instead(_CHAT, body, answer)
        if answer.status != OK:
            error, _ = await _refused(answer, limit)
            raise error
        self._rooms.learn(request.model, room)
        return answer, adjustments

    def _encoded(self, request: ChatRequest, limit: int) -> tuple[bytes, tuple[Adjustment, ...]]:
        settings = settings_for(
            request.model, request.sampling, temperature=self._temperature, max_tokens=limit
        )
        return encode_chat(request, settings), settings.adjustments


async def _refused(answer: Answer, limit: int) -> tuple[ProviderError, Room | None]:
    """Return what a refusal means, and what it says of tokens where it refuses `limit`."""
    try:
        body = await answer.read_some(MAX_ERROR_BYTES)
    finally:
        answer.close()
    error = error_from_body(answer, body, classify_refusal)
    error = replace(error, requests=answer.requests)
    return error, room_for(limit, body) if answer.status in REFUSED else None


def _begin(reading: Reading, answer: Answer) -> None:
    """Tell `reading` what kind of answer comes.

    Raises:
        ProviderError: PROTOCOL. None that could be one.
    """
    if answer.content_type not in {_STREAM, _WHOLE}:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=OK)
    if answer.content_type == _WHOLE:
        reading.expect_whole()
