"""How Anthropic's Messages are spoken."""

import dataclasses

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.value import value
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.features import NO_EXTRAS, extras_of, strict_tools
from llmsvc_server.providers.anthropic.lacks import is_about_strictness
from llmsvc_server.providers.anthropic.reader import AnthropicReader
from llmsvc_server.providers.anthropic.refusals import read_refusal
from llmsvc_server.providers.anthropic.room import room_for
from llmsvc_server.providers.anthropic.settings import settings_for
from llmsvc_server.providers.anthropic.wire import encode_chat
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.shared.dialect import Terms
from llmsvc_server.providers.shared.room import Room, Rooms
from llmsvc_server.providers.shared.tool_calls import ToolCalls


@value
class LimitForm:
    """The limit on an answer's tokens, and the tools that the model is held to.

    `room` is what a refusal told of tokens; None if none did.
    """

    max_tokens: int
    strict: frozenset[str] = frozenset()
    room: Room | None = None


class AnthropicDialect:
    """A `Dialect`. A request is run once: only the server knows whether a lost one is paid."""

    path = "/v1/messages"
    resends_lost = False

    def __init__(
        self, *, temperature: float | None, max_output_tokens: int, window_tokens: int | None
    ) -> None:
        """Speak to one server.

        Args:
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1.
            window_tokens: Context window of its models; None if unknown.
        """
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._rooms = Rooms(window_tokens)

    def form(self, request: ChatRequest) -> LimitForm:
        """Return the limit to ask for; see `Dialect`."""
        limit = self._rooms.fit(request, self._limit(request))
        return LimitForm(max_tokens=limit, strict=strict_tools(request))

    def encode(self, request: ChatRequest, form: LimitForm) -> tuple[bytes, Terms]:
        """Return the body of a request; see `Dialect`."""
        settings = settings_for(
            request.model,
            request.sampling,
            temperature=self._temperature,
            max_tokens=form.max_tokens,
        )
        extras = NO_EXTRAS if request.is_plain else extras_of(request, form.strict)
        adjustments = (*settings.adjustments, *extras.adjustments)
        terms = Terms(max_tokens=self._limit(request), adjustments=adjustments)
        return encode_chat(request, settings, extras), terms

    def reader(self, request: ChatRequest, tails: Tails) -> AnthropicReader:
        """Return what reads the answer; see `Dialect`."""
        return AnthropicReader(tails, request.sampling.stop_sequences, ToolCalls.of(request))

    def classify(self, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
        """Return what a refusal means; see `Dialect`."""
        return classify(read_refusal(status, body, retry_after_s))

    def correct(self, form: LimitForm, body: bytes) -> LimitForm | None:
        """Return a form with what a refusal says is left, or less strict; see `Dialect`."""
        if form.strict and is_about_strictness(body):
            return dataclasses.replace(form, strict=frozenset())
        room = room_for(form.max_tokens, body)
        if room is None:
            return None
        limit = room.left(form.max_tokens) or form.max_tokens
        return dataclasses.replace(form, max_tokens=limit, room=room)

    def learn(self, model: str, form: LimitForm) -> None:
        """Remember a model's room."""
        if form.room is not None:
            self._rooms.learn(model, form.room)

    def _limit(self, request: ChatRequest) -> int:
        return request.sampling.limit(self._max_output_tokens)
