"""How long an attempt may stay silent before its first content."""

from collections.abc import Callable
from dataclasses import dataclass

from llmsvc_server.chat.deadline import Budget, Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """One provider's limits on silence, in seconds.

    `is_loaded` tells whether a model, in the provider's spelling, is known to be in memory. One
    that is not counts as cold: its load comes out of `cold_s`.
    """

    first_token_s: float
    cold_s: float
    is_loaded: Callable[[str], bool]

    def budget(self, model: str, finish_by: Deadline, *, fallback_follows: bool) -> Budget:
        """Return the budget of an attempt that starts now."""
        limit_s = self.first_token_s if self.is_loaded(model) else self.cold_s
        return Budget(
            finish_by=finish_by,
            first_token_by=finish_by.capped(limit_s),
            fallback_follows=fallback_follows,
        )
