"""Whose turn it is among callers that share places."""

from typing_extensions import override

MIN_SWEPT = 16


class _Share:
    """What one caller has, and when it is due, on the clock of turns."""

    __slots__ = ("due", "running", "waiting")

    def __init__(self) -> None:
        self.due = 0.0
        self.running = 0
        self.waiting = 0


class Turns:
    """Counts what each caller has, and says who comes first.

    That is who runs fewest chats, so that long answers buy no more than short ones, and among
    equals who is due first. Each turn makes its caller due one later, and time goes on by one once
    everybody who waits could have had one (virtual time, as in fair queueing). Who comes anew is
    due now: before the next turn of those who just had theirs, and yet no crowd of newcomers keeps
    anybody waiting for ever. Only callers that run, wait, or are due later are remembered.

    Attributes:
        callers_waiting: How many callers wait.
    """

    def __init__(self) -> None:
        """Know nobody."""
        self.callers_waiting = 0
        self._shares: dict[str, _Share] = {}
        self._now = 0.0
        self._after_turn = 0.0
        self._sweep_at = MIN_SWEPT

    @override
    def __repr__(self) -> str:
        """Return how many callers wait, and how many are remembered."""
        return f"<Turns: {self.callers_waiting} wait of {len(self._shares)} known>"

    def held(self, caller: str) -> int:
        """Return how many chats of a caller run or wait."""
        share = self._shares.get(caller)
        return 0 if share is None else share.running + share.waiting

    def order(self, caller: str) -> tuple[int, float]:
        """Return what callers that wait are sorted by; the least comes first."""
        share = self._shares[caller]
        return share.running, share.due

    def wait(self, caller: str) -> None:
        """Count one more chat that waits."""
        share = self._shares.get(caller) or self._add(caller)
        if not share.waiting:
            self.callers_waiting += 1
            share.due = max(share.due, self._now)
        share.waiting += 1

    def leave(self, caller: str) -> None:
        """Count one less."""
        share = self._shares[caller]
        share.waiting -= 1
        if not share.waiting:
            self.callers_waiting -= 1

    def begin(self, caller: str) -> None:
        """Count one more chat that runs: its caller's turn."""
        share = self._shares.get(caller) or self._add(caller)
        share.running += 1
        self._now = self._after_turn
        share.due = max(share.due, self._now) + 1
        self._after_turn = self._now + 1 / max(1, self.callers_waiting)

    def end(self, caller: str) -> None:
        """Count one less."""
        self._shares[caller].running -= 1

    def _add(self, caller: str) -> _Share:
        if len(self._shares) >= self._sweep_at:
            self._sweep()
        share = self._shares[caller] = _Share()
        return share

    def _sweep(self) -> None:
        """Forget who would be as well off as a newcomer."""
        self._shares = {
            caller: share
            for caller, share in self._shares.items()
            if share.running or share.waiting or share.due > self._now
        }
        self._sweep_at = max(MIN_SWEPT, 2 * len(self._shares))
