"""What a provider's refusals and error events mean: ordered rows, the first that fits wins.

The error's code is asked before its type, that before its text, and the status last: no status
but 402 says whether money is gone (docs/failover.md 2.3). Text goes no further than here: an error
has a class, a row, numbers, and of the provider's words only those that this module lists.

Rows: docs/failover.md 2.2. Signals: docs/facts/providers.md 1.6 and 1.7.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.refusals import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of failure. What a row leaves out may be anything.

    Attributes:
        name: Its name in docs/failover.md 2.2.
        error: What it means.
        codes: Codes, one of which must be there.
        kinds: Types, one of which it must have.
        texts: Lower-case pieces of a message, one of which must be there.
        statuses: What the status must be; None stands for an error event that has none.
        has_error: Whether the body must have an error object.
        in_answer: Whether it must have come inside an answer under 200.
        is_overflow: Whether it must have words for a prompt that is too long.
        has_reasons: Whether the body must tell why it refuses the content.
        has_wait: Whether the headers must say when to come back (True), or must not (False).
        is_local: Whether it is about engines in the operator's network only.
        phase: What was going on.
        cause: Finer class.
    """

    name: str
    error: ErrorKind
    codes: Collection[str] = ()
    kinds: Collection[str] = ()
    texts: Collection[str] = ()
    statuses: Collection[int | None] = ()
    has_error: bool = False
    in_answer: bool = False
    is_overflow: bool = False
    has_reasons: bool = False
    has_wait: bool | None = None
    is_local: bool = False
    phase: str = ""
    cause: str = ""

    def fits(self, said: Said, *, is_local: bool) -> bool:
        """Return whether this row is about `said`, from a provider that is local or not."""
        has_wait = said.retry_after_s is not None
        return (
            (not self.codes or any(code in self.codes for code in said.codes))
            and (not self.kinds or said.kind in self.kinds)
            and (not self.texts or any(piece in said.text for piece in self.texts))
            and (not self.statuses or said.status in self.statuses)
            and said.has_error >= self.has_error
            and said.in_answer >= self.in_answer
            and said.is_overflow >= self.is_overflow
            and said.has_reasons >= self.has_reasons
            and self.has_wait in {None, has_wait}
            and is_local >= self.is_local
        )


_MONEY = (
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "insufficient_quota",
)
_POLICY = ("content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation")

_BROKEN = range(500, 600)

_BY_CODE: tuple[Row, ...] = (
    Row(name="P01", error=ErrorKind.QUOTA, codes=_MONEY),
    # More than a minute's allowance in one request (OpenAI, Groq): no wait makes it fit.
    Row(
        name="P02",
        error=ErrorKind.CONTEXT,
        codes={"rate_limit_exceeded"},
        texts={"request too large for "},
    ),
    Row(name="P02", error=ErrorKind.CONTEXT, codes={"context_length_exceeded"}),
    Row(name="P03", error=ErrorKind.CONTENT, codes=_POLICY),
    Row(name="P04", error=ErrorKind.MODEL_MISSING, codes={"model_not_found", "DeploymentNotFound"}),
    Row(
        name="P05",
        error=ErrorKind.REGION,
        codes={"unsupported_country_region_territory", "data_residency_mismatch"},
    ),
    Row(name="P06", error=ErrorKind.CREDENTIAL, codes={"invalid_api_key", "API_KEY_INVALID"}),
    Row(
        name="P07", error=ErrorKind.CAPABILITY, codes={"unsupported_parameter", "unsupported_value"}
    ),
    Row(name="P08", error=ErrorKind.MODEL_OUTPUT, codes={"tool_use_failed"}, cause="toolCall"),
    # Events inside an answer have no status that could say it.
    Row(name="P09", error=ErrorKind.RATE_LIMIT, codes={"rate_limit_exceeded", "slow_down"}),
)
_BY_KIND: tuple[Row, ...] = (
    Row(name="P01", error=ErrorKind.QUOTA, kinds={"insufficient_quota"}),
    Row(name="P02", error=ErrorKind.CONTEXT, kinds={"exceed_context_size_error"}),
    Row(name="P07", error=ErrorKind.CAPABILITY, kinds={"not_supported_error"}),
    Row(
        name="P10",
        error=ErrorKind.COLD_LOAD,
        kinds={"unavailable_error"},
        statuses={503},
        is_local=True,
        phase="load",
    ),
)
# Before the codes and types that say no more than that something failed.
_BY_WORDS: tuple[Row, ...] = (
    Row(
        name="P02",
        error=ErrorKind.CONTEXT,
        is_overflow=True,
        statuses={400, 413, 422, *_BROKEN, None},
    ),
    Row(name="P11", error=ErrorKind.TRANSIENT, codes={"server_error", "server_is_overloaded"}),
    Row(
        name="P11",
        error=ErrorKind.TRANSIENT,
        kinds={"server_error", "service_unavailable_error", "InternalServerError"},
    ),
)
_BY_HEADER: tuple[Row, ...] = (
    Row(name="P01", error=ErrorKind.QUOTA, statuses={402}, has_wait=False),
    Row(name="P09", error=ErrorKind.RATE_LIMIT, statuses={402}, has_wait=True),
)
_BY_STATUS: tuple[Row, ...] = (
    Row(name="P02", error=ErrorKind.CONTEXT, statuses={413}),
    Row(name="P03", error=ErrorKind.CONTENT, statuses={403}, has_reasons=True),
    Row(name="P04", error=ErrorKind.MODEL_MISSING, statuses={404}, has_error=True),
    Row(name="P04", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(name="P06", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(name="P07", error=ErrorKind.CAPABILITY, statuses={501}),
    Row(name="P09", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(name="P09", error=ErrorKind.SATURATED, statuses={498}),
    Row(name="P11", error=ErrorKind.TRANSIENT, statuses={408, 409, *_BROKEN}),
    Row(name="P12", error=ErrorKind.CALLER, statuses={400, 415, 422}),
    Row(name="P12", error=ErrorKind.CALLER, kinds={"invalid_request_error"}, statuses={None}),
    # What fails in words that nobody knows is no less a failure of the provider.
    Row(name="P11", error=ErrorKind.TRANSIENT, in_answer=True),
)
ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    *_BY_CODE,
    *_BY_KIND,
    *_BY_WORDS,
    *_BY_HEADER,
    *_BY_STATUS,
)

_KNOWN = frozenset(word for row in ROWS for word in (*row.codes, *row.kinds))
_OTHER = "other"

_FIELDS = (
    "model|messages|stream|stream_options|max_completion_tokens|max_tokens|store|temperature|top_p|"
    "frequency_penalty|presence_penalty|seed|stop|top_k|min_p|repeat_penalty|repetition_penalty"
)
_PARAM = re.compile(rf"(?:{_FIELDS})(?:\.(?:role|content|include_usage)|\.?\[?\d{{1,6}}\]?)*")
"""A field that we send, or a part of one. In anything else a provider could quote the prompt."""


def classify(said: Said, *, is_local: bool) -> ProviderError:
    """Return the failure that a provider means.

    Args:
        said: Its refusal, or its error inside an answer.
        is_local: Whether the provider is in the operator's network.
    """
    row = next((row for row in ROWS if row.fits(said, is_local=is_local)), None)
    if row is None:
        return ProviderError(ErrorKind.PROTOCOL, status=said.status, code=_code(said))
    return ProviderError(
        row.error,
        row=row.name,
        status=said.status,
        phase=row.phase,
        cause=row.cause,
        code=_code(said),
        param=said.param if _PARAM.fullmatch(said.param) else "",
        retry_after_s=said.retry_after_s,
        context_length=said.context_length,
        input_tokens=said.input_tokens,
    )


def _code(said: Said) -> str:
    words = [word for word in (*said.codes, said.kind) if word]
    return next((word for word in words if word in _KNOWN), _OTHER if words else "")
