"""What a provider's refusals and error events mean.

The error's code is asked before its type, that before its text, and the status last: no status
but 402 says whether money is gone (docs/failover.md 2.3).

Rows: docs/failover.md 2.2. Signals: docs/facts/providers.md 1.6 and 1.7.
"""

from functools import partial

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.refusals import OpenaiTrait, read_refusal
from llmsvc_server.providers.shared.error_signal import Trait
from llmsvc_server.providers.shared.error_table import ErrorTable, Row
from llmsvc_server.providers.shared.refusal import Classify

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
        traits={OpenaiTrait.LOCAL},
        phase="load",
    ),
)
# Before the codes and types that say no more than that something failed.
_BY_WORDS: tuple[Row, ...] = (
    Row(
        name="P02",
        error=ErrorKind.CONTEXT,
        traits={Trait.OVERFLOW},
        statuses={400, 413, 422, *_BROKEN, None},
    ),
    # llama.cpp says it as 500, OpenRouter as 404.
    Row(
        name="P07",
        error=ErrorKind.CAPABILITY,
        traits={OpenaiTrait.LACKS},
        statuses={400, 404, 422, *_BROKEN, None},
    ),
    Row(name="P11", error=ErrorKind.TRANSIENT, codes={"server_error", "server_is_overloaded"}),
    Row(
        name="P11",
        error=ErrorKind.TRANSIENT,
        kinds={"server_error", "service_unavailable_error", "InternalServerError"},
    ),
)
_BY_HEADER: tuple[Row, ...] = (
    Row(name="P09", error=ErrorKind.RATE_LIMIT, statuses={402}, traits={Trait.WAIT}),
    Row(name="P01", error=ErrorKind.QUOTA, statuses={402}),
)
_BY_STATUS: tuple[Row, ...] = (
    Row(name="P02", error=ErrorKind.CONTEXT, statuses={413}),
    Row(name="P03", error=ErrorKind.CONTENT, statuses={403}, traits={OpenaiTrait.REASONS}),
    Row(name="P04", error=ErrorKind.MODEL_MISSING, statuses={404}, traits={Trait.ERROR}),
    Row(name="P04", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(name="P06", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(name="P07", error=ErrorKind.CAPABILITY, statuses={501}),
    Row(name="P09", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(name="P09", error=ErrorKind.SATURATED, statuses={498}),
    Row(name="P11", error=ErrorKind.TRANSIENT, statuses={408, 409, *_BROKEN}),
    Row(name="P12", error=ErrorKind.CALLER, statuses={400, 415, 422}),
    Row(name="P12", error=ErrorKind.CALLER, kinds={"invalid_request_error"}, statuses={None}),
    # What fails in words that nobody knows is no less a failure of the provider.
    Row(name="P11", error=ErrorKind.TRANSIENT, traits=frozenset({Trait.IN_ANSWER})),
)
ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    *_BY_CODE,
    *_BY_KIND,
    *_BY_WORDS,
    *_BY_HEADER,
    *_BY_STATUS,
)

classify = ErrorTable(ROWS).classify


def classify_refusal(
    status: int, body: bytes, retry_after_s: float | None, *, is_local: bool
) -> ProviderError:
    """Return the failure that a refusal means; see `Classify`.

    `is_local` says whether the provider is in the operator's network.
    """
    return classify(read_refusal(status, body, retry_after_s, is_local=is_local))


classify_local_refusal: Classify = partial(classify_refusal, is_local=True)
"""What an engine in the operator's network means."""
