"""How long an answer may get: what refusals say of it, and what is remembered of each model."""

import re
from collections.abc import Iterable

import msgspec

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.value import value
from llmsvc_server.providers.shared.untyped import UNREADABLE

REFUSED = frozenset({400, 413, 422})
"""Statuses of refusals that may be about a request's form."""

REMEMBERED_MODELS = 256

_MAX_CHARACTERS = 4_096

_LETTERS_PER_TOKEN = 3
_TOKENS_PER_TURN = 16
"""A prompt's estimate is a high one here: too low a one would be refused again."""


@value
class Room:
    """What a refusal says of tokens; None where it does not say.

    Attributes:
        answer: Most tokens of any answer of the model.
        window: Tokens of a prompt and its answer together.
        prompt: Tokens of this prompt.
        total: Tokens of this prompt and the limit that was asked for, together.
    """

    answer: int | None = None
    window: int | None = None
    prompt: int | None = None
    total: int | None = None

    def left(self, limit: int) -> int | None:
        """Return the most tokens that are left where `limit` was refused; None if unknown."""
        prompt = self.prompt
        if prompt is None and self.total is not None:
            prompt = self.total - limit
        if self.window is None or prompt is None:
            return self.answer
        return self.window - prompt


def words_of(body: bytes, *, only_json: bool) -> str:
    """Return a refusal's beginning in lower case, its JSON without escapes.

    Args:
        body: Anything may be in it.
        only_json: Whether what is no JSON has no words.
    """
    try:
        body = msgspec.json.encode(msgspec.json.decode(body))
    except UNREADABLE:
        if only_json:
            return ""
    return body[:_MAX_CHARACTERS].decode(errors="replace").lower()


def room_in(text: str, patterns: Iterable[re.Pattern[str]]) -> Room | None:
    """Return what a refusal says of tokens; None if nothing.

    Args:
        text: Its words, in lower case.
        patterns: The first that is found counts; its groups are called as `Room`'s attributes.
    """
    found = next((match for pattern in patterns if (match := pattern.search(text))), None)
    if found is None:
        return None
    return Room(**{name: int(digits) for name, digits in found.groupdict().items() if digits})


class Rooms:
    """The room of one provider's models, as far as it is known."""

    def __init__(self, window_tokens: int | None) -> None:
        """Know only the window that models have unless a refusal said something else."""
        self._usual = Room(window=window_tokens)
        self._of_models: dict[str, Room] = {}

    def fit(self, request: ChatRequest, limit: int) -> int:
        """Return the limit to ask for: less than `limit` where that is known to be too much.

        A limit that may fit is kept: how long a prompt is, only the provider knows.
        """
        room = self._of_models.get(request.model, self._usual)
        if room.answer is not None:
            limit = min(limit, room.answer)
        if room.window is None or limit < room.window:
            return limit
        prompt = -(-request.text_length // _LETTERS_PER_TOKEN)
        left = room.window - prompt - _TOKENS_PER_TURN * (1 + len(request.messages))
        return left if left > 0 else limit

    def learn(self, model: str, said: Room) -> None:
        """Remember what a refusal said of a model. The oldest of too many is forgotten."""
        known = self._of_models.pop(model, self._usual)
        if len(self._of_models) >= REMEMBERED_MODELS:
            del self._of_models[next(iter(self._of_models))]
        is_of_window = said.window is not None
        self._of_models[model] = Room(
            answer=known.answer if is_of_window else said.answer,
            window=said.window if is_of_window else known.window,
        )
