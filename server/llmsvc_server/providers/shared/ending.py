"""Whether an answer has ended: by its own word, as long as nothing follows it.

Rules: docs/failover.md 3.3, and ADR-026 for what servers do that end too early. A word that nothing
follows is taken at once by whoever reads (ADR-037).
"""

_NO_REASONS = frozenset({"null", "none", "undefined"})

MAX_EXCUSED = 1_000
"""How much that can't be read is passed over: each piece is read twice, and everybody waits."""


class Ending:
    """What one answer has said of its end.

    Attributes:
        is_marked: Whether the answer has said why it ended, and no content came since.
    """

    __slots__ = ("_excused", "_is_doubtful", "is_marked")

    def __init__(self) -> None:
        """Have heard nothing."""
        self.is_marked = False
        self._is_doubtful = False
        self._excused = 0

    @property
    def is_believed(self) -> bool:
        """Whether silence, a lost connection or an odd last word leave the answer complete.

        The end of the body does in any case: then nothing follows.
        """
        return self.is_marked and not self._is_doubtful

    def mark(self, *, is_plain: bool) -> None:
        """Take a reason why the answer ended.

        Args:
            is_plain: Whether it came by itself, after text. Servers that give one with every piece,
                or with the first, make no difference between them and the last.
        """
        self.is_marked = True
        self._is_doubtful = self._is_doubtful or not is_plain

    def excuses(self, data: bytes) -> bool:
        """Return whether what can't be read is a spoilt framing marker, and no lost content.

        Content is always in an object. Behind a reason that is believed not even that matters.
        """
        self._excused += 1
        if self._excused > MAX_EXCUSED:
            return False
        return self.is_believed or (self.is_marked and not data.lstrip().startswith(b"{"))

    def take_back(self) -> None:
        """Forget the reason: something followed it, and another one is needed."""
        self.is_marked = False
        self._is_doubtful = True


def is_reason(word: object) -> bool:
    """Return whether an answer says by `word` that it ended: some write null as a text."""
    if isinstance(word, str):
        return bool(word) and word.lower() not in _NO_REASONS
    return bool(word)
