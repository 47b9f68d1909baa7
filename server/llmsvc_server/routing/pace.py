"""How fast one provider usually is, model by model: what limits and waits are worked out from."""

import statistics
from collections import deque
from dataclasses import dataclass, field

from llmsvc_server.chat.request import Delivery

REMEMBERED_ANSWERS = 32
REMEMBERED_PROMPTS = 20
REMEMBERED_MODELS = 256
SLOWEST_READING_S = 0.010
"""Seconds a token of a prompt takes where nothing better is known; never less is assumed.

Cached prompts report impossible speeds (docs/failover.md 4.2).
"""

MOST_DOUBLINGS = 3


@dataclass(slots=True)
class _Model:
    firsts_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_ANSWERS))
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_ANSWERS))
    readings_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_PROMPTS))
    doublings: int = 0


class Pace:
    """The last answers of one provider's models."""

    def __init__(self, *, least_s: float) -> None:
        """Know nothing; assume at least `least_s` seconds for any attempt."""
        self._least_s = least_s
        self._models: dict[str, _Model] = {}

    def answered(self, model: str, *, first_token_s: float, total_s: float) -> None:
        """Note an answer: seconds until its first content, and until its end."""
        known = self._model(model)
        known.firsts_s.append(first_token_s)
        known.answers_s.append(total_s)
        known.doublings = 0

    def read(self, model: str, *, tokens: int, took_s: float) -> None:
        """Note how long a prompt of `tokens` tokens, none of them cached, took to read."""
        self._model(model).readings_s.append(took_s / tokens)

    def was_silent(self, model: str) -> None:
        """Note a silence without a byte: maybe the prompt takes longer than was thought."""
        known = self._model(model)
        known.doublings = min(known.doublings + 1, MOST_DOUBLINGS)

    def reading_s(self, model: str, prompt_tokens: int) -> float:
        """Return the seconds that reading a prompt may take."""
        known = self._models.get(model)
        if known is None:
            return prompt_tokens * SLOWEST_READING_S
        slowest_s = max((SLOWEST_READING_S, *known.readings_s))
        return prompt_tokens * slowest_s * (1 << known.doublings)

    def least_s(self, model: str, delivery: Delivery) -> float:
        """Return what an attempt needs at least to be of use, in seconds."""
        known = self._models.get(model)
        whole = delivery is Delivery.WHOLE
        usual = () if known is None else known.answers_s if whole else known.firsts_s
        return max(self._least_s, statistics.median(usual)) if usual else self._least_s

    def usual_first_s(self, model: str) -> float:
        """Return the usual seconds until the first content; 0 where nothing is known."""
        known = self._models.get(model)
        return statistics.median(known.firsts_s) if known and known.firsts_s else 0.0

    def _model(self, model: str) -> _Model:
        known = self._models.get(model)
        if known is None:
            if len(self._models) >= REMEMBERED_MODELS:
                self._models.pop(next(iter(self._models)))
            known = self._models[model] = _Model()
        return known
