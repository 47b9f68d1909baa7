"""Tells a wedged model: one that is in memory, takes chats, and never sends a byte.

Recorded from Ollama 0.24.0 (docs/facts/ollama.md 8, "Wedge"): every GET is green and a load
answers at once, so only silence tells. What helps without a restart is an unload, once no call
hangs on the model any more.
"""

from dataclasses import dataclass

from typing_extensions import override

from llmsvc_server.catalog.facts import EndpointFacts
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.upstreams.breaker import STREAK

ONCE_IN_S = 600.0
POLL_AGE_S = 2.0
"""A poll shows a moment that is at most so long ago: its own limit."""

MAX_MODELS = 256


@dataclass(slots=True)
class _Model:
    """What is known of one model.

    Attributes:
        silences: Whole limits without a byte since the last sign of life.
        busy_until: What the last poll showed.
        polled_s: When that was.
        touched_s: When we last did what moves `busy_until`.
        moved_s: When it was last seen moved by somebody else.
        freed_s: When it was last freed.
    """

    silences: int = 0
    busy_until: str = ""
    polled_s: float = float("-inf")
    touched_s: float = float("-inf")
    moved_s: float = float("-inf")
    freed_s: float = float("-inf")


class WedgeDetector:
    """Takes in what is observed of the models of one endpoint, and says which is wedged."""

    def __init__(self, facts: EndpointFacts, clock: Clock, *, is_on: bool) -> None:
        """Have observed nothing.

        Args:
            facts: Of the endpoint. Where they never say until when a model is busy, none is wedged.
            clock: Monotonic seconds.
            is_on: Whether polls are taken in; without them none is either.
        """
        self._facts = facts
        self._is_on = is_on
        self._clock = clock
        self._models: dict[str, _Model] = {}

    @override
    def __repr__(self) -> str:
        """Return which models were silent how often."""
        silent = [f"{name} {one.silences}" for name, one in self._models.items() if one.silences]
        known = f"{'on' if self._is_on else 'off'}, {len(self._models)} models"
        return f"<WedgeDetector: {known}, silent: {', '.join(silent) or 'none'}>"

    def take_poll(self) -> None:
        """Take in what a poll of the endpoint found."""
        now_s = self._clock()
        for model, known in self._models.items() if self._is_on else ():
            busy_until = self._facts.busy_until(model)
            moved = "" not in {busy_until, known.busy_until} and busy_until != known.busy_until
            if moved and known.touched_s < known.polled_s - POLL_AGE_S:
                known.moved_s = now_s
            known.busy_until, known.polled_s = busy_until, now_s

    def take_sign(self, model: str) -> None:
        """Take in a sign that a model is not wedged: content, an absence from memory, others' work."""
        (self._models.get(model) or self._add(model)).silences = 0

    def take_touch(self, model: str) -> None:
        """Take in that a call of ours ends, or a check of ours begins, which moves the mark too."""
        (self._models.get(model) or self._add(model)).touched_s = self._clock()

    def take_silence(self, model: str, since_s: float) -> None:
        """Take in a whole limit without a byte, from a model that is in memory."""
        known = self._models.get(model) or self._add(model)
        if known.polled_s > since_s:  # else nobody can say whether others were at work
            known.silences += 1

    def worked_elsewhere(self, model: str, since_s: float) -> bool:
        """Return whether somebody else's work on a model was done since a point in time."""
        return (self._models.get(model) or self._add(model)).moved_s > since_s

    def is_wedged(self, model: str) -> bool:
        """Return whether a model whose breaker silence has opened is to be freed, once in a while."""
        known = self._models.get(model)
        if known is None or known.silences < STREAK or not known.busy_until:
            return False
        return self._clock() - known.freed_s >= ONCE_IN_S

    def take_freeing(self, model: str) -> None:
        """Take in that a model is being freed."""
        (self._models.get(model) or self._add(model)).freed_s = self._clock()

    def _add(self, model: str) -> _Model:
        if len(self._models) >= MAX_MODELS:
            del self._models[next(iter(self._models))]
        known = self._models[model] = _Model()
        return known
