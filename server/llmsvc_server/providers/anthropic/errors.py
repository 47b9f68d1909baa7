"""What Anthropic's refusals and error events mean.

The error's code is asked before its type, that before its text, and the status last: no status
but 402 says whether money is gone (docs/failover.md 2.3).

Rows: docs/failover.md 2.2. Signals: docs/facts/providers.md 2.6.
"""

from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.refusals import AnthropicTrait
from llmsvc_server.providers.shared.error_signal import Trait
from llmsvc_server.providers.shared.error_table import ErrorTable, Row

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
        traits={Trait.OVERFLOW},
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
_BY_FIELD: tuple[Row, ...] = (
    Row(
        name="A08",
        error=ErrorKind.CAPABILITY,
        traits={AnthropicTrait.LACKS},
        statuses={400, 422, None},
    ),
)
_BY_STATUS: tuple[Row, ...] = (
    Row(name="A01", error=ErrorKind.QUOTA, statuses={402}),
    Row(name="A02", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(name="A03", error=ErrorKind.TRANSIENT, statuses={408, 409, *_BROKEN}),
    Row(name="A04", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(
        name="A05",
        error=ErrorKind.MODEL_MISSING,
        statuses={404},
        traits=frozenset({Trait.IN_ANSWER}),
    ),
    Row(name="A05", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(name="A06", error=ErrorKind.CONTEXT, statuses={413}),
    # Their word for whatever they do not like: every status above says more.
    Row(name="A07", error=ErrorKind.CALLER, kinds={"invalid_request_error"}),
    Row(name="A07", error=ErrorKind.CALLER, statuses={400, 422}),
    # What fails in words that nobody knows is no less a failure of the provider.
    Row(name="A03", error=ErrorKind.TRANSIENT, traits=frozenset({Trait.IN_ANSWER})),
)
ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    *_BY_CODE,
    *_BY_WORDS,
    *_BY_KIND,
    *_BY_TEXT,
    *_BY_FIELD,
    *_BY_STATUS,
)

classify = ErrorTable(ROWS).classify
