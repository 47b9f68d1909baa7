"""What Anthropic's refusals and error events mean: ordered rows, the first that fits wins.

The error's code is asked before its type, that before its text, and the status last: no status
but 402 says whether money is gone (docs/failover.md 2.3). Text goes no further than here: an error
has a class, a row, numbers, and of the provider's words only those that this module lists.

Rows: docs/failover.md 2.2. Signals: docs/facts/providers.md 2.6.
"""

from collections.abc import Collection
from dataclasses import dataclass

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.refusals import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of failure. What a row leaves out may be anything.

    Attributes:
        name: Its name in docs/failover.md 2.2.
        error: What it means.
        codes: Codes, one of which it must have.
        kinds: Types, one of which it must have.
        texts: Lower-case pieces of a message, one of which must be there.
        statuses: What the status must be; None stands for an error under 200 that tells none.
        in_answer: Whether it must have come under 200.
        is_overflow: Whether it must have words for a prompt that is too long.
    """

    name: str
    error: ErrorKind
    codes: Collection[str] = ()
    kinds: Collection[str] = ()
    texts: Collection[str] = ()
    statuses: Collection[int | None] = ()
    in_answer: bool = False
    is_overflow: bool = False

    def fits(self, said: Said) -> bool:
        """Return whether this row is about `said`."""
        return (
            (not self.codes or said.code in self.codes)
            and (not self.kinds or said.kind in self.kinds)
            and (not self.texts or any(piece in said.text for piece in self.texts))
            and (not self.statuses or said.status in self.statuses)
            and said.in_answer >= self.in_answer
            and said.is_overflow >= self.is_overflow
        )


_BY_CODE: tuple[Row, ...] = (
    Row(
        name="A01",
        error=ErrorKind.QUOTA,
        codes={"enforced_spend_limit_reached", "contract_spend_limit_reached"},
    ),
)
_BROKEN = range(500, 600)
# Before the types that say no more than that something failed: a proxy's are its own.
_BY_WORDS: tuple[Row, ...] = (
    Row(
        name="A06",
        error=ErrorKind.CONTEXT,
        is_overflow=True,
        statuses={400, 413, 422, *_BROKEN, None},
    ),
)
_BY_KIND: tuple[Row, ...] = (
    Row(name="A01", error=ErrorKind.QUOTA, kinds={"billing_error"}),
    Row(name="A02", error=ErrorKind.RATE_LIMIT, kinds={"rate_limit_error"}),
    Row(
        name="A03",
        error=ErrorKind.TRANSIENT,
        kinds={"overloaded_error", "api_error", "timeout_error", "conflict_error"},
    ),
    Row(name="A04", error=ErrorKind.CREDENTIAL, kinds={"authentication_error", "permission_error"}),
    Row(name="A05", error=ErrorKind.MODEL_MISSING, kinds={"not_found_error"}),
    Row(name="A06", error=ErrorKind.CONTEXT, kinds={"request_too_large"}),
)
_BY_TEXT: tuple[Row, ...] = (
    Row(
        name="A01",
        error=ErrorKind.QUOTA,
        texts={"api usage limits", "credit balance is too low"},
        statuses={400, None},
    ),
)
_BY_STATUS: tuple[Row, ...] = (
    Row(name="A01", error=ErrorKind.QUOTA, statuses={402}),
    Row(name="A02", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(name="A03", error=ErrorKind.TRANSIENT, statuses={408, 409, *_BROKEN}),
    Row(name="A04", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(name="A05", error=ErrorKind.MODEL_MISSING, statuses={404}, in_answer=True),
    Row(name="A05", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(name="A06", error=ErrorKind.CONTEXT, statuses={413}),
    # Their word for whatever they do not like: every status above says more.
    Row(name="A07", error=ErrorKind.CALLER, kinds={"invalid_request_error"}),
    Row(name="A07", error=ErrorKind.CALLER, statuses={400, 422}),
    # What fails in words that nobody knows is no less a failure of the provider.
    Row(name="A03", error=ErrorKind.TRANSIENT, in_answer=True),
)
ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    *_BY_CODE,
    *_BY_WORDS,
    *_BY_KIND,
    *_BY_TEXT,
    *_BY_STATUS,
)

_KNOWN = frozenset(word for row in ROWS for word in (*row.codes, *row.kinds))
_OTHER = "other"


def classify(said: Said) -> ProviderError:
    """Return the failure that the provider means.

    Args:
        said: Its refusal, or its error under 200.
    """
    row = next((row for row in ROWS if row.fits(said)), None)
    if row is None:
        return ProviderError(ErrorKind.PROTOCOL, status=said.status, code=_code(said))
    return ProviderError(
        row.error,
        row=row.name,
        status=said.status,
        code=_code(said),
        retry_after_s=said.retry_after_s,
        context_length=said.context_length,
        input_tokens=said.input_tokens,
    )


def _code(said: Said) -> str:
    words = [word for word in (said.code, said.kind) if word]
    return next((word for word in words if word in _KNOWN), _OTHER if words else "")
