"""What refusals and errors mean: ordered rows, the first that fits wins.

Text goes no further than here: an error has a class, a row, numbers, and of the server's words only
those that the rows list.
"""

from collections.abc import Collection
from dataclasses import dataclass

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.error_signal import ErrorSignal, Trait

_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of failure. What a row leaves out may be anything.

    Attributes:
        name: Its name in docs/failover.md 2.2.
        error: What it means.
        codes: Codes, one of which must be there.
        kinds: Types, one of which it must have.
        texts: Lower-case pieces of a message, one of which must be there; "=" in front makes it
            the whole message.
        statuses: What the status must be; None stands for an error inside an answer that has none.
        or_in_answer: Whether an error inside an answer fits whatever its status.
        traits: What it must be besides, all of it.
        phase: What was going on.
        cause: Finer class.
        engine_died: Whether it tells of the engine's end.
    """

    name: str
    error: ErrorKind
    codes: Collection[str] = ()
    kinds: Collection[str] = ()
    texts: Collection[str] = ()
    statuses: Collection[int | None] = ()
    or_in_answer: bool = False
    traits: Collection[str] = ()
    phase: str = ""
    cause: str = ""
    engine_died: bool = False

    def fits(self, signal: ErrorSignal) -> bool:
        """Return whether this row is about `signal`."""
        return (
            (not self.codes or any(code in self.codes for code in signal.codes))
            and (not self.kinds or signal.kind in self.kinds)
            and (not self.texts or any(_is_in(signal.text, piece) for piece in self.texts))
            and self._fits_status(signal)
            and signal.traits.issuperset(self.traits)
        )

    def _fits_status(self, signal: ErrorSignal) -> bool:
        if self.or_in_answer and Trait.IN_ANSWER in signal.traits:
            return True
        return not self.statuses or signal.status in self.statuses


def _is_in(text: str, piece: str) -> bool:
    return text == piece[1:] if piece.startswith("=") else piece in text


class ErrorTable:
    """The rows of one kind of provider."""

    def __init__(self, rows: Collection[Row]) -> None:
        """Ask `rows` in their order."""
        self._rows = rows
        self._known = frozenset(word for row in rows for word in (*row.codes, *row.kinds))

    def classify(self, signal: ErrorSignal) -> ProviderError:
        """Return the failure that a server means; PROTOCOL where no row fits."""
        row = next((row for row in self._rows if row.fits(signal)), None)
        if row is None:
            return ProviderError(ErrorKind.PROTOCOL, status=signal.status, code=self._code(signal))
        return ProviderError(
            row.error,
            row=row.name,
            status=signal.status,
            phase=row.phase,
            cause=row.cause,
            code=self._code(signal),
            param=signal.param,
            engine_died=row.engine_died,
            retry_after_s=signal.retry_after_s,
            context_length=signal.context_length,
            input_tokens=signal.input_tokens,
        )

    def _code(self, signal: ErrorSignal) -> str:
        words = [word for word in (*signal.codes, signal.kind) if word]
        return next((word for word in words if word in self._known), _OTHER if words else "")
