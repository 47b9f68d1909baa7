"""How long an attempt may stay silent before its first content, and what the others need."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.routing.pace import Pace

LEAST_FLOOR_S = 0.5
READINGS = 3
"""How many times the predicted reading of the prompt is granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """One provider's limits on silence, in seconds.

    Attributes:
        first_token_s: For a model that is in memory, before the reading of the prompt is added.
        cold_s: For one that has to be loaded first.
        is_loaded: Whether a model, in the provider's spelling, is known to be in memory.
        pace: How fast it usually is.
        reads_prompts: Whether reading a long prompt shows; clouds read in no time.
    """

    first_token_s: float
    cold_s: float
    is_loaded: Callable[[str], bool]
    pace: Pace
    reads_prompts: bool

    def limit_s(self, model: str, prompt_tokens: int) -> float:
        """Return the seconds that the first content may take."""
        if not self.is_loaded(model):
            return self.cold_s
        if not self.reads_prompts:
            return self.first_token_s
        return self.first_token_s + READINGS * self.pace.reading_s(model, prompt_tokens)

    def floor_s(self, model: str) -> float:
        """Return what an attempt needs at least before it is worth making."""
        return max(LEAST_FLOOR_S, self.pace.usual_first_s(model))

    def least_s(self, model: str, delivery: Delivery) -> float:
        """Return what earlier candidates have to leave for this one."""
        return self.pace.least_s(model, delivery)

    def again(self, limits: AttemptLimits, request: ChatRequest) -> AttemptLimits:
        """Return the limits as if their attempt began now: a wait for a place or a load is over."""
        limit_s = self.limit_s(request.model, estimated_tokens(request.text_length))
        return replace(
            limits,
            first_token_by=limits.latest_first.capped(limit_s),
            is_full_length=limits.latest_first.remaining_s() >= limit_s,
        )
