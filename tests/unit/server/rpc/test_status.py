from dataclasses import replace

import pytest

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import Attempt
from llmsvc_server.chat.tls import TlsTrouble
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import (
    AllProvidersFailed,
    DeadlineExpired,
    InvalidRequest,
    LlmsvcError,
    Overloaded,
    ProviderError,
    ProviderNotFound,
    ShuttingDown,
    StreamInterrupted,
    Violation,
    ViolationReason,
)
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.rpc.details import MAX_MESSAGE_BYTES
from llmsvc_server.rpc.status import to_failure
from tests.fakes.receipts import receipt_of
from tests.fakes.scripted_provider import LOCAL_OLLAMA
from tests.unit.server.rpc.failures import (
    FAILED,
    SKIPPED,
    answered,
    failed,
)

OTHERS = ("provider", "phase", "cause", "param")
CONTEXT_FACTS = ("provider", "contextLength", "inputTokens", "countMethod")
WAITS_S: dict[ErrorKind, float] = {
    ErrorKind.EXHAUSTED: 1,
    ErrorKind.CONNECT: 1,
    ErrorKind.TRANSIENT: 1,
    ErrorKind.LOAD_FAILED: 10,
    ErrorKind.SILENT: 10,
    ErrorKind.COLD_LOAD: 30,
    ErrorKind.QUEUE_FULL: 1,
    ErrorKind.SATURATED: 2,
    ErrorKind.RATE_LIMIT: 2,
    ErrorKind.OPEN: 10,
}
ROWS: list[tuple[ErrorKind, str, str, tuple[str, ...]]] = [
    (ErrorKind.EXHAUSTED, "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", OTHERS),
    (ErrorKind.CONNECT, "UNAVAILABLE", "PROVIDER_UNREACHABLE", OTHERS),
    (ErrorKind.TRANSIENT, "UNAVAILABLE", "PROVIDER_ERROR", OTHERS),
    (ErrorKind.LOAD_FAILED, "UNAVAILABLE", "PROVIDER_ERROR", OTHERS),
    (ErrorKind.SILENT, "UNAVAILABLE", "PROVIDER_TIMEOUT", OTHERS),
    (ErrorKind.COLD_LOAD, "UNAVAILABLE", "MODEL_LOADING", OTHERS),
    (ErrorKind.QUEUE_FULL, "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", OTHERS),
    (ErrorKind.SATURATED, "RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED", OTHERS),
    (ErrorKind.RATE_LIMIT, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", OTHERS),
    (ErrorKind.QUOTA, "RESOURCE_EXHAUSTED", "PROVIDER_QUOTA_EXHAUSTED", OTHERS),
    (ErrorKind.REGION, "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS_REJECTED", OTHERS),
    (ErrorKind.CREDENTIAL, "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS_REJECTED", OTHERS),
    (ErrorKind.MISCONFIGURED, "FAILED_PRECONDITION", "PROVIDER_MISCONFIGURED", OTHERS),
    (ErrorKind.REMOTE_REFUSED, "FAILED_PRECONDITION", "ROUTE_FORBIDDEN", OTHERS),
    (ErrorKind.VIOLATION, "INTERNAL", "PRIVACY_VIOLATION", OTHERS),
    (ErrorKind.MODEL_MISSING, "NOT_FOUND", "MODEL_NOT_FOUND", OTHERS),
    (ErrorKind.CONTEXT, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED", CONTEXT_FACTS),
    (ErrorKind.CONTENT, "INVALID_ARGUMENT", "CONTENT_REJECTED", OTHERS),
    (ErrorKind.CALLER, "INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM", OTHERS),
    (ErrorKind.FATAL_SCHEMA, "INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM", OTHERS),
    (ErrorKind.NONCONFORMING, "ABORTED", "MODEL_OUTPUT_INVALID", OTHERS),
    (ErrorKind.CAPABILITY, "FAILED_PRECONDITION", "CAPABILITY_UNSUPPORTED", OTHERS),
    (ErrorKind.MODEL_OUTPUT, "ABORTED", "MODEL_OUTPUT_INVALID", OTHERS),
    (ErrorKind.PROTOCOL, "INTERNAL", "PROVIDER_PROTOCOL", OTHERS),
    (ErrorKind.OPEN, "UNAVAILABLE", "BREAKER_OPEN", OTHERS),
    (ErrorKind.NO_TIME, "DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED", OTHERS),
]


@pytest.mark.parametrize(("kind", "code", "reason", "keys"), ROWS)
def test_each_provider_failure_has_its_code_reason_facts_and_wait(
    kind: ErrorKind, code: str, reason: str, keys: tuple[str, ...]
) -> None:
    failure = to_failure(failed(kind))

    assert (code, reason) == (failure.code, failure.reason)
    assert keys == tuple(failure.metadata)
    assert WAITS_S.get(kind) == failure.retry_after_s


def test_the_rows_are_complete() -> None:
    assert {row[0] for row in ROWS} == set(ErrorKind)


@pytest.mark.parametrize("trouble", TlsTrouble)
def test_trouble_with_tls_is_said_of_the_provider(trouble: TlsTrouble) -> None:
    failure = to_failure(
        ProviderError(
            ErrorKind.CONNECT, provider=LOCAL_OLLAMA, phase="connect", cause=trouble, called=False
        )
    )

    assert trouble == failure.metadata["cause"]
    assert "rovider ollama" in failure.message
    assert ("certificate" in failure.message) == trouble.startswith("certificate")


def test_what_is_missing_is_told_by_field_with_the_remedy() -> None:
    lacks = frozenset({Capability.TOOLS, Capability.JSON_SCHEMA})
    failure = to_failure(
        ProviderError(
            ErrorKind.CAPABILITY, provider=LOCAL_OLLAMA, model="phi3", called=False, lacks=lacks
        )
    )

    assert "tools and response_format" in failure.message
    assert "unsupported_feature_action" in failure.message
    assert len(failure.message) <= MAX_MESSAGE_BYTES
    assert ("CAPABILITY", "tools, response_format") == (failure.precondition, failure.unmet)
    assert {"provider": "ollama", "param": "tools"} == failure.metadata


def test_facts_that_are_unknown_are_left_out() -> None:
    assert {} == to_failure(ProviderError(ErrorKind.TRANSIENT)).metadata
    assert {} == to_failure(ProviderError(ErrorKind.CONTEXT)).metadata


def test_an_unknown_count_has_no_method() -> None:
    assert {"contextLength": "4096"} == to_failure(
        ProviderError(ErrorKind.CONTEXT, context_length=4096)
    ).metadata


@pytest.mark.parametrize(
    ("error", "pushback_ms"),
    [
        (ProviderError(ErrorKind.CONNECT, called=True), -1),
        (ProviderError(ErrorKind.CONNECT, called=False), 1000),
        (ProviderError(ErrorKind.CONNECT, called=False, retry_after_s=0.001), 100),
        (ProviderError(ErrorKind.CONNECT, called=False, retry_after_s=0), 100),
        (ProviderError(ErrorKind.CONNECT, called=False, retry_after_s=-5), 100),
        (ProviderError(ErrorKind.COLD_LOAD, called=False, retry_after_s=12.3456), 12_346),
        (ProviderError(ErrorKind.QUEUE_FULL, called=False), None),
        (ProviderError(ErrorKind.QUEUE_FULL, called=True), -1),
        (ProviderError(ErrorKind.MODEL_MISSING, called=False), None),
        (ProviderError(ErrorKind.MODEL_MISSING, called=True), -1),
        (ProviderError(ErrorKind.CREDENTIAL, called=False), None),
        (DeadlineExpired(), -1),
        (DeadlineExpired(5), -1),
        (Overloaded(1), None),
        (ShuttingDown(), 100),
        (StreamInterrupted(InterruptCause.DRAIN), -1),
        (
            AllProvidersFailed(
                ProviderError(ErrorKind.CONNECT, called=False), retry_after_s=2, called=False
            ),
            2000,
        ),
        (
            AllProvidersFailed(
                ProviderError(ErrorKind.CONNECT, called=False), retry_after_s=2, called=True
            ),
            -1,
        ),
        (
            AllProvidersFailed(
                ProviderError(ErrorKind.MODEL_MISSING), retry_after_s=None, called=False
            ),
            None,
        ),
        (ValueError(), None),
    ],
)
def test_a_client_is_told_not_to_retry_what_was_tried_and_never_to_retry_at_once(
    error: Exception, pushback_ms: int | None
) -> None:
    assert pushback_ms == to_failure(error).pushback_ms


@pytest.mark.parametrize(
    ("attempts", "pushback_ms"),
    [
        ([], 2000),
        ([SKIPPED, SKIPPED], 2000),
        ([SKIPPED, FAILED], -1),
        ([FAILED, SKIPPED], -1),
    ],
)
def test_any_attempt_that_was_sent_content_forbids_a_retry(
    attempts: list[Attempt], pushback_ms: int
) -> None:
    error = AllProvidersFailed(
        ProviderError(ErrorKind.OPEN, called=False), retry_after_s=2, called=False
    )
    failure = to_failure(error, receipt_of(*attempts))

    assert pushback_ms == failure.pushback_ms
    assert attempts == list(failure.trail.attempts if failure.trail else ())
    assert len(attempts) == failure.attempts


def test_a_deadline_is_never_retried_even_where_nothing_was_sent() -> None:
    assert -1 == to_failure(DeadlineExpired(), receipt_of(SKIPPED)).pushback_ms


def test_an_interrupted_answer_is_no_success_of_its_attempt() -> None:
    error = StreamInterrupted(InterruptCause.PROVIDER, usage=Usage(output_tokens=3))
    receipt = answered()
    failure = to_failure(error, receipt)
    assert failure.trail is not None
    outcomes = [(one.code, one.reason) for one in failure.trail.attempts]

    assert (receipt.route, Usage(output_tokens=3)) == (failure.route, failure.usage)
    assert [
        ("UNAVAILABLE", "PROVIDER_ERROR"),
        ("UNAVAILABLE", "BREAKER_OPEN"),
        ("ABORTED", "STREAM_INTERRUPTED"),
    ] == outcomes


def test_what_kept_further_targets_away_is_told() -> None:
    error = ProviderError(ErrorKind.TRANSIENT)
    together = AllProvidersFailed(error, retry_after_s=None, called=True)
    for one in (error, together):
        blocked = replace(one, failover_blocked="privacy")

        assert "privacy" == to_failure(blocked).metadata["failoverBlocked"]


def test_a_region_is_told_from_a_credential() -> None:
    assert {"cause": "region"} == to_failure(ProviderError(ErrorKind.REGION)).metadata
    assert {} == to_failure(ProviderError(ErrorKind.CREDENTIAL)).metadata


@pytest.mark.parametrize(
    ("cause", "said"), [("", "runs elsewhere"), ("request", "forbids"), ("operator", "forbids")]
)
def test_a_forbidden_route_says_why(cause: str, said: str) -> None:
    failure = to_failure(
        ProviderError(
            ErrorKind.REMOTE_REFUSED, provider=LOCAL_OLLAMA, called=False, cause=cause, model="m"
        )
    )

    assert said in failure.message
    assert cause == failure.metadata.get("cause", "")


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_sentence_names_what_it_can(kind: ErrorKind) -> None:
    error = replace(failed(kind), model="some-model", provider=LOCAL_OLLAMA)
    sentence = to_failure(error).message

    assert "{" not in sentence
    assert sentence.endswith(".")
    assert "ollama" in sentence or "some-model" in sentence or kind is ErrorKind.MODEL_MISSING


@pytest.mark.parametrize(
    ("asked_s", "told_s"),
    [
        (0.25, 0.25),
        (1e30, 86_400.0),
        (float("inf"), 86_400.0),
        (-1, 0.0),
        (float("nan"), None),
    ],
)
def test_advice_that_fits_no_message_is_brought_down(asked_s: float, told_s: float | None) -> None:
    one = failed(ErrorKind.CONNECT, retry_after_s=asked_s, called=False)
    several = AllProvidersFailed(one, retry_after_s=asked_s, called=False)

    assert told_s == to_failure(one).retry_after_s
    assert told_s == to_failure(several).retry_after_s


@pytest.mark.parametrize(
    ("error", "code", "reason", "metadata"),
    [
        (Overloaded(1.5), "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", {}),
        (ShuttingDown(), "UNAVAILABLE", "SERVER_DRAINING", {}),
        (DeadlineExpired(), "DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED", {}),
        (
            DeadlineExpired(120.0),
            "DEADLINE_EXCEEDED",
            "TIME_LIMIT_EXCEEDED",
            {"limitSeconds": "120"},
        ),
        (DeadlineExpired(0.5), "DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED", {"limitSeconds": "0.5"}),
        (
            StreamInterrupted(InterruptCause.TIME_LIMIT),
            "ABORTED",
            "STREAM_INTERRUPTED",
            {"cause": "timeLimit"},
        ),
        (
            StreamInterrupted(InterruptCause.PROVIDER, phase="idle"),
            "ABORTED",
            "STREAM_INTERRUPTED",
            {"cause": "provider", "phase": "idle"},
        ),
        (
            InvalidRequest([Violation("model", ViolationReason.TOO_LONG, "use less")]),
            "INVALID_ARGUMENT",
            "INVALID_REQUEST",
            {},
        ),
        (ProviderNotFound("no-such"), "NOT_FOUND", "PROVIDER_NOT_FOUND", {}),
        (LlmsvcError(), "INTERNAL", "INTERNAL_ERROR", {}),
        (KeyError("secret"), "INTERNAL", "INTERNAL_ERROR", {}),
    ],
)
def test_each_failure_of_our_own_has_its_code_reason_and_facts(
    error: Exception, code: str, reason: str, metadata: dict[str, str]
) -> None:
    failure = to_failure(error)

    assert (code, reason, metadata) == (failure.code, failure.reason, failure.metadata)


def test_when_all_failed_the_deciding_one_gives_the_code_and_is_named() -> None:
    failure = to_failure(
        AllProvidersFailed(failed(ErrorKind.SATURATED), retry_after_s=0.5, called=True)
    )

    assert ("RESOURCE_EXHAUSTED", "ALL_TARGETS_FAILED") == (failure.code, failure.reason)
    assert "PROVIDER_OVERLOADED" == failure.metadata["primaryReason"]
    assert 0.5 == failure.retry_after_s


def test_a_missing_model_that_can_be_pulled_says_how() -> None:
    failure = to_failure(
        ProviderError(
            ErrorKind.MODEL_MISSING, provider=LOCAL_OLLAMA, model="phi3:mini", pull_hint="phi3:mini"
        )
    )

    assert "llm.providers.ollama.model" in failure.message
    assert "install it with: ollama pull phi3:mini" in failure.message
    assert "true" == failure.metadata["pullable"]
    assert ("model", "phi3:mini") == failure.missing


def test_a_missing_model_of_somebody_elses_name_says_nothing_of_pulling() -> None:
    failure = to_failure(ProviderError(ErrorKind.MODEL_MISSING, model="no-such"))

    assert "pull" not in failure.message
    assert "pullable" not in failure.metadata


@pytest.mark.parametrize(
    ("kind", "precondition"),
    [
        (ErrorKind.CAPABILITY, "CAPABILITY"),
        (ErrorKind.REMOTE_REFUSED, "PRIVACY"),
        (ErrorKind.TRANSIENT, None),
    ],
)
def test_a_precondition_is_typed(kind: ErrorKind, precondition: str | None) -> None:
    assert precondition == to_failure(failed(kind)).precondition


def test_the_first_violation_is_in_the_message_with_the_number_of_others() -> None:
    wrong = Violation("model", ViolationReason.TOO_LONG, "use less")
    whole = Violation("", ViolationReason.MALFORMED, "not a message")

    assert "model: use less" == to_failure(InvalidRequest([wrong])).message
    assert "model: use less (and 2 more)" == to_failure(InvalidRequest([wrong] * 3)).message
    assert "request: not a message" == to_failure(InvalidRequest([whole])).message
