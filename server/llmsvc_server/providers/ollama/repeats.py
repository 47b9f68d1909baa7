"""Equal tokens in a row: Ollama ends an answer for them, and does not say so."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_REPEATS = 30
"""Ollama stops a model, without saying so, after 31 equal tokens; blanks count as equal."""


@dataclass(slots=True)
class Repeats:
    """Counts them. Whoever reads a token at a time writes `latest` and `count` itself.

    Attributes:
        latest: The last text, without blanks around it.
        count: How many of the last texts are equal to it.
    """

    latest: str = ""
    count: int = 0

    @property
    def ended_it(self) -> bool:
        """Whether there were as many as an answer may have."""
        return self.count >= MAX_REPEATS

    def add(self, texts: Sequence[str]) -> None:
        """Count texts that came together, at least one."""
        latest = texts[-1].strip()
        equal = 0
        for text in reversed(texts):
            if text.strip() != latest:
                break
            equal += 1
        goes_on = equal == len(texts) and latest == self.latest
        self.count = self.count + equal if goes_on else equal
        self.latest = latest
