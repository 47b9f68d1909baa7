"""How fast one provider usually is, model by model, and what silence of it is waited out."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.route import Locality
from llmsvc_server.upstreams.loads import Loads

MAX_ANSWERS = 32
MAX_PROMPTS = 20
MAX_MODELS = 256
SLOWEST_READING_S = 0.010
"""Seconds a token of a prompt takes where nothing better is known; never less is assumed.

Cached prompts report impossible speeds (docs/failover.md 4.2).
"""

MAX_DOUBLINGS = 3
MIN_FLOOR_S = 0.5
MIN_ANSWER_S = 1.0
MIN_ATTEMPT_S = {Locality.LOCAL: 1.0, Locality.REMOTE: 2.0}
"""What an attempt is assumed to need where nothing is known yet (docs/failover.md 4.3)."""

READINGS = 3
"""How many times the predicted reading of the prompt is granted."""


@dataclass(slots=True)
class _Model:
    firsts_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_ANSWERS))
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_ANSWERS))
    readings_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_PROMPTS))
    doublings: int = 0


_UNKNOWN = _Model()


class LatencyStats:
    """The last answers of one provider's models."""

    def __init__(self, min_s: float) -> None:
        """Know nothing; assume at least `min_s` seconds for any attempt."""
        self._min_s = min_s
        self._models: dict[str, _Model] = {}

    @override
    def __repr__(self) -> str:
        """Return the usual first content of each model."""
        said = [f"{name} {self.first_s(name):.2f} s" for name in self._models]
        return f"<LatencyStats: {', '.join(said) or 'nothing known'}>"

    def take_answer(self, model: str, done: Done, *, first_s: float | None, total_s: float) -> None:
        """Note an answer.

        Args:
            model: Who gave it.
            done: Its end; the reading of a prompt counts as far as it was not cached.
            first_s: Seconds until its first content; None if it was empty.
            total_s: Seconds until its end.
        """
        known = self._models.get(model) or self._add(model)
        known.firsts_s.append(total_s if first_s is None else first_s)
        known.answers_s.append(total_s)
        known.doublings = 0
        read = (done.usage.input_tokens or 0) - (done.usage.cached_input_tokens or 0)
        if read > 0 and done.timings.prompt_s is not None:
            known.readings_s.append(done.timings.prompt_s / read)

    def take_silence(self, model: str) -> None:
        """Note a silence without a byte: maybe the prompt takes longer than was thought."""
        known = self._models.get(model) or self._add(model)
        known.doublings = min(known.doublings + 1, MAX_DOUBLINGS)

    def reading_s(self, model: str, prompt_tokens: int) -> float:
        """Return the seconds that reading a prompt may take."""
        known = self._models.get(model, _UNKNOWN)
        slowest_s = max((SLOWEST_READING_S, *known.readings_s))
        return prompt_tokens * slowest_s * (1 << known.doublings)

    def min_s(self, model: str, delivery: Delivery) -> float:
        """Return what an attempt needs at least to be of use, in seconds."""
        known = self._models.get(model, _UNKNOWN)
        usual_s = known.answers_s if delivery is Delivery.WHOLE else known.firsts_s
        return max(self._min_s, _median_s(usual_s))

    def first_s(self, model: str) -> float:
        """Return the usual seconds until the first content; 0 where nothing is known."""
        return _median_s(self._models.get(model, _UNKNOWN).firsts_s)

    def answer_s(self, model: str) -> float:
        """Return the usual seconds until an answer's end, at least `MIN_ANSWER_S`."""
        return max(MIN_ANSWER_S, _median_s(self._models.get(model, _UNKNOWN).answers_s))

    def mean_answer_s(self, model: str) -> float:
        """Return what answers take on average, in seconds: what a queue moves by."""
        answers_s = self._models.get(model, _UNKNOWN).answers_s
        return statistics.fmean(answers_s) if answers_s else MIN_ANSWER_S

    def _add(self, model: str) -> _Model:
        if len(self._models) >= MAX_MODELS:
            del self._models[next(iter(self._models))]
        known = self._models[model] = _Model()
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """One provider's limits on silence, in seconds.

    Attributes:
        first_token_s: For a model that is in memory, before the reading of the prompt is added.
        with_tools_s: The same where tools are offered.
        cold_s: For one that has to be loaded first.
        latency: How fast it usually is.
        loads: Of its endpoints; none where all is believed to be in memory.
        reads_prompts: Whether reading a long prompt shows; clouds read in no time.
    """

    first_token_s: float
    with_tools_s: float
    cold_s: float
    latency: LatencyStats
    loads: Sequence[Loads] = ()
    reads_prompts: bool

    def limit_s(self, model: str, prompt_tokens: int, *, with_tools: bool = False) -> float:
        """Return the seconds that the first content may take."""
        for one in self.loads:
            if one.is_loaded(model):  # `any` costs more than all the rest
                break
        else:
            if self.loads:
                return self.cold_s
        first_s = self.with_tools_s if with_tools else self.first_token_s
        if not self.reads_prompts:
            return first_s
        return first_s + READINGS * self.latency.reading_s(model, prompt_tokens)

    def floor_s(self, model: str) -> float:
        """Return what an attempt needs at least before it is worth making."""
        return max(MIN_FLOOR_S, self.latency.first_s(model))

    def renew(
        self, limits: AttemptLimits, model: str, prompt_tokens: int, *, with_tools: bool = False
    ) -> AttemptLimits:
        """Return limits as if the attempt began now: a wait for a lease or a load is over."""
        limit_s = self.limit_s(model, prompt_tokens, with_tools=with_tools)
        return replace(
            limits,
            first_token_by=limits.latest_first.capped(limit_s),
            is_full_length=limits.latest_first.remaining_s() >= limit_s,
        )


def _median_s(lengths_s: Sequence[float]) -> float:
    return statistics.median(lengths_s) if lengths_s else 0.0
