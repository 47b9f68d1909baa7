"""What an Ollama's refusals and error lines mean: ordered rows, the first that fits wins.

Ollama has no error codes, so this is the one place where an upstream's text is read. It goes no
further: an error made here has a class, a row and numbers.

Rows and order: docs/failover.md 2.2. Texts: docs/facts/ollama.md 5, from the server's code and from
recordings of 0.10.1 and 0.24.0.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Flag, auto

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.refusals import Said, Trait

_EVERY: Collection[int] = range(1000)


class Where(Flag):
    """Which sayings a row is about."""

    REFUSAL = auto()
    LINE = auto()


_BOTH = Where.REFUSAL | Where.LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of failure.

    Attributes:
        name: Its name in docs/failover.md 2.2.
        error: What it means.
        statuses: HTTP statuses of refusals it is about. An error line has none: Ollama 0.10.1
            sends under 200 what newer ones refuse with a status.
        texts: Lower-case pieces of an error text, one of which must be there; "=" in front makes
            it the whole text. Empty: whatever the text.
        kind: The `type` that an engine's own error must have; empty for any.
        traits: What the body must be, all of it.
        where: Whether it is about refusals, error lines or both.
        phase: What was going on.
        cause: Finer class.
        engine_died: Whether it tells of the engine's end.
    """

    name: str
    error: ErrorKind
    statuses: Collection[int] = _EVERY
    texts: tuple[str, ...] = ()
    kind: str = ""
    traits: Trait = Trait.NONE
    where: Where = Where.REFUSAL
    phase: str = ""
    cause: str = ""
    engine_died: bool = False

    def fits(self, said: Said) -> bool:
        """Return whether this row is about `said`."""
        about = said.in_line and Where.LINE in self.where
        if said.status is not None:
            about |= Where.REFUSAL in self.where and said.status in self.statuses
        return (
            about
            and self.traits in said.traits
            and self.kind in {"", said.kind}
            and (not self.texts or any(_found(piece, said.text) for piece in self.texts))
        )


def _found(piece: str, text: str) -> bool:
    return text == piece[1:] if piece.startswith("=") else piece in text


ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    Row(
        name="O02",
        error=ErrorKind.MODEL_OUTPUT,
        texts=("error parsing tool call", "xml syntax error", "invalid tool call arguments"),
        where=_BOTH,
        cause="toolCall",
    ),
    Row(name="O04", error=ErrorKind.MODEL_MISSING, statuses={404}, traits=Trait.ERROR_TEXT),
    # The router sends only listed names. Such a model has a manifest, and its weights are gone.
    Row(
        name="O04", error=ErrorKind.MODEL_MISSING, statuses={400}, texts=("does not support chat",)
    ),
    Row(name="O04", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(name="O04", error=ErrorKind.MISCONFIGURED, statuses={403}, traits=Trait.EMPTY),
    Row(name="O05", error=ErrorKind.REMOTE_REFUSED, traits=Trait.CLOUD_STATUS, where=_BOTH),
    Row(name="O05", error=ErrorKind.REMOTE_REFUSED, statuses={401}, traits=Trait.SIGN_IN),
    Row(
        name="O05",
        error=ErrorKind.REMOTE_REFUSED,
        statuses={403},
        texts=("cloud is disabled", "remote model"),
    ),
    Row(
        name="O05",
        error=ErrorKind.REMOTE_REFUSED,
        statuses={400},
        texts=("cannot run this remote model",),
    ),
    Row(name="O06", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(name="O06", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(
        name="O07",
        error=ErrorKind.SATURATED,
        statuses={503},
        texts=("maximum pending requests",),
        where=_BOTH,
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        statuses={400},
        kind="exceed_context_size_error",
        where=_BOTH,
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        texts=(
            "prompt is longer than the context length",
            "input length exceeds the context length",
            "exceeds the available context size",
            "context size has been exceeded",
            "prompt too long; exceeded",
        ),
        where=_BOTH,
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        statuses={400, 413, 422, *range(500, 600)},
        traits=Trait.OVERFLOW,
        where=_BOTH,
    ),
    Row(
        name="O09",
        error=ErrorKind.CAPABILITY,
        statuses={400},
        texts=("does not support", "chatrequest.think", "invalid think value", "think must be"),
        where=_BOTH,
    ),
    Row(name="O10", error=ErrorKind.CONTEXT, statuses={413}),
    Row(name="O10", error=ErrorKind.CALLER, statuses={400, 415, 422}),
    Row(
        name="O10",
        error=ErrorKind.CALLER,
        statuses={500},
        texts=(
            'option "',
            "invalid format:",
            "invalid json schema in format",
            "failed to create new sequence",
        ),
        where=_BOTH,
    ),
    Row(
        name="O10a",
        error=ErrorKind.COLD_LOAD,
        statuses={503},
        texts=("loading model",),
        where=_BOTH,
        phase="load",
    ),
    # Before O11: newer servers append a line of the engine's log, in which anything may stand.
    Row(
        name="O10b",
        error=ErrorKind.TRANSIENT,
        engine_died=True,
        statuses={500},
        texts=("has unexpectedly stopped",),
        where=_BOTH,
    ),
    Row(
        name="O11",
        error=ErrorKind.LOAD_FAILED,
        statuses={500},
        texts=(
            "unable to load model",
            "exceeds file size",
            "=unexpected eof",
            "timed out waiting for llama",
            "process has terminated",
            "no longer running",
            "out-of-memory",
            "requires more system memory",
            "failed to load",
            "may be incompatible with your version",
            "binary not found",
        ),
        where=_BOTH,
        phase="load",
    ),
    Row(name="O12", error=ErrorKind.TRANSIENT, statuses={499, *range(500, 600)}, where=_BOTH),
)


def classify(said: Said) -> ProviderError:
    """Return the failure that an Ollama means.

    Args:
        said: Its refusal, or the error line under 200 that ended an answer.
    """
    row = next((row for row in ROWS if row.fits(said)), None)
    if row is None:
        return ProviderError(ErrorKind.PROTOCOL, status=said.status)
    return ProviderError(
        row.error,
        row=row.name,
        status=said.status,
        phase=row.phase,
        cause=row.cause,
        engine_died=row.engine_died,
        retry_after_s=said.retry_after_s,
        context_length=said.context_length,
        input_tokens=said.input_tokens,
    )
