"""A clock that stands still until a test moves it."""


class ManualClock:
    """A `Clock`: call it for seconds."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        """Stand at `now_s` seconds."""
        self._now_s = now_s

    def __call__(self) -> float:
        """Return where it stands, in seconds."""
        return self._now_s

    def advance(self, length_s: float) -> None:
        """Move forward by `length_s` seconds, at least 0."""
        assert length_s >= 0, "a monotonic clock does not go back"
        self._now_s += length_s
