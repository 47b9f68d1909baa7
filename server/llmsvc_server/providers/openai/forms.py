"""How a server wants to be asked: what its entry says, and what its refusals teach.

A refusal of a request's form ran nothing, so it is answered by one more try, put as the refusal
says. What then worked is remembered. The texts are data; no other module looks at them.

Source: refusals of the servers named, as quoted in their public issue trackers up to 2026-11.
"""

import dataclasses
import re

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.value import value
from llmsvc_server.providers.openai.spelling import Spelling, respell
from llmsvc_server.providers.openai.wire import NEW_LIMIT_FIELD, OLD_LIMIT_FIELD
from llmsvc_server.providers.shared.room import REMEMBERED_MODELS, Room, Rooms, room_in, words_of

_WINDOW = r"context length (?:is|of) (?P<window>\d{1,9}) tokens"
_ROOM = tuple(
    re.compile(f"{before}{after}")
    for before, after in (
        # vLLM 0.12 and newer stop counting as soon as it is too much: the prompt is longer.
        (_WINDOW, r".{1,20}you requested \d{1,9} output tokens and your prompt contains at least"),
        # vLLM 0.9 to 0.11, and 0.15.
        (_WINDOW, r".{1,20}your request has (?P<prompt>\d{1,9}) input tokens"),
        # OpenAI, Azure, older vLLM, OpenRouter.
        (
            _WINDOW,
            r".{1,20}you requested (?:about )?\d{1,9} tokens \((?P<prompt>\d{1,9}) (?:in|of) ",
        ),
        # SGLang.
        (_WINDOW, r".{1,60}: (?P<prompt>\d{1,9}) tokens from the input messages"),
        # Text Generation Inference, Together.
        (
            r"`max_new_tokens` must be <= (?P<window>\d{1,9})",
            r".{1,20} (?P<prompt>\d{1,9}) `inputs`",
        ),
        # Cerebras.
        (r"current length is (?P<total>\d{1,9})", r" while limit is (?P<window>\d{1,9})"),
        # OpenAI.
        (r"supports at most (?P<answer>\d{1,9})", " completion tokens"),
        # DeepSeek, DashScope and others.
        (r"max_?(?:completion_)?tokens", r"\b.{1,40}\[\d, ?(?P<answer>\d{1,9})\]"),
        # Groq.
        (r"max_(?:completion_)?tokens", r"` must be less than or equal to `?(?P<answer>\d{1,9})"),
        # Ark.
        (r"max_(?:completion_)?tokens", r"`.{1,120} <= (?P<answer>\d{1,9})"),
        # Anthropic and Bedrock behind gateways.
        (r"max_tokens: \d{1,9} > (?P<answer>\d{1,9})", ", which is the maximum"),
        (
            r"max_tokens` exceed context limit: (?P<prompt>\d{1,9})",
            r" \+ \d{1,9} > (?P<window>\d{1,9})",
        ),
        (r"requested exceeds the model limit", r" of (?P<answer>\d{1,9})"),
    )
)
"""Texts about a limit on the answer's tokens that is too high."""

_UNKNOWN = r"(?:extra|unknown|unrecognized|unsupported|unexpected|not permitted|not supported)"
_NO_USAGE = re.compile(rf"stream_options.{{0,200}}{_UNKNOWN}|{_UNKNOWN}.{{0,200}}stream_options")
_FIELDS = {
    NEW_LIMIT_FIELD: re.compile(
        r"max_tokens.{1,80}use '?\"?max_completion_tokens"
        rf"|{_UNKNOWN}.{{0,60}}[^_a-z]max_tokens\b"
    ),
    OLD_LIMIT_FIELD: re.compile(
        rf"{_UNKNOWN}.{{0,60}}max_completion_tokens|max_completion_tokens.{{0,60}}{_UNKNOWN}"
    ),
}
"""Field for a limit -> texts of servers that want it instead of the other."""


@value
class RequestForm:
    """How one request is put to a server: its limit and its optional keys.

    Attributes:
        max_tokens: Limit on the answer's tokens; None for none.
        limit_field: The limit's key.
        has_usage: Whether usage is asked for, by `stream_options`.
        spelling: How what goes beyond text is put.
        room: What the refusal of the try before said of tokens; None if nothing.
    """

    max_tokens: int | None
    limit_field: str
    has_usage: bool
    spelling: Spelling
    room: Room | None = None


class RequestForms:
    """How one server wants to be asked, and each of its models."""

    def __init__(
        self, *, limit_field: str, has_usage: bool, window_tokens: int | None, spelling: Spelling
    ) -> None:
        """Know what the configuration says; see `RequestForm`."""
        self._limit_field = limit_field
        self._has_usage = has_usage
        self._rooms = Rooms(window_tokens)
        self._limit_fields: dict[str, str] = {}
        self._spelling = spelling
        self._spellings: dict[str, Spelling] = {}

    def form(self, request: ChatRequest, max_tokens: int | None) -> RequestForm:
        """Return how to put a request.

        Args:
            request: `model` in the provider's spelling.
            max_tokens: The caller's limit or the operator's, whichever is less; None for none.
        """
        limit = None if max_tokens is None else self._rooms.fit(request, max_tokens)
        field = self._limit_fields.get(request.model, self._limit_field)
        return RequestForm(
            max_tokens=limit,
            limit_field=field,
            has_usage=self._has_usage,
            spelling=self._spellings.get(request.model, self._spelling),
        )

    def learn(self, model: str, form: RequestForm) -> None:
        """Remember how a second try was put that was answered."""
        self._has_usage = form.has_usage
        if form.room is not None:
            self._rooms.learn(model, form.room)
        if form.limit_field != self._limit_field and len(self._limit_fields) < REMEMBERED_MODELS:
            self._limit_fields[model] = form.limit_field
        # Whether a schema could be kept to says nothing of the next one.
        spelling = dataclasses.replace(form.spelling, is_strict=self._spelling.is_strict)
        if spelling != self._spelling and len(self._spellings) < REMEMBERED_MODELS:
            self._spellings[model] = spelling


def correct(form: RequestForm, body: bytes) -> RequestForm | None:
    """Return how a refusal wants a request put; None if it does not say.

    Args:
        form: How the refused request was put.
        body: The refusal's. Anything may be in it.
    """
    text = words_of(body, only_json=False)
    if form.has_usage and _NO_USAGE.search(text):
        return dataclasses.replace(form, has_usage=False)
    if (spelling := respell(form.spelling, text)) is not None:
        return dataclasses.replace(form, spelling=spelling)
    limit = form.max_tokens
    if limit is None:
        return None
    if (room := room_in(text, _ROOM)) is not None:
        left = room.left(limit)
        # Without a limit the server gives what is left, which is less than was asked for.
        is_less = left is None or 0 < left < limit
        return dataclasses.replace(form, max_tokens=left, room=room) if is_less else None
    for field, pattern in _FIELDS.items():
        if field != form.limit_field and pattern.search(text):
            return dataclasses.replace(form, limit_field=field)
    return None
