"""The table of docs/failover.md 2.1, once more by hand: a change of one is a change of both."""

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind

TABLE = """
exhausted       NEVER          NEVER         -      -               RESOURCE_EXHAUSTED   SERVER_OVERLOADED               1
connect         AT_ONCE        ALWAYS        count  -               UNAVAILABLE          PROVIDER_UNREACHABLE            1
transient       AFTER_A_PAUSE  ALWAYS        count  -               UNAVAILABLE          PROVIDER_ERROR                  1
load_failed     NEVER          ALWAYS        slow   -               UNAVAILABLE          PROVIDER_ERROR                 10
silent          NEVER          ALWAYS        slow   -               UNAVAILABLE          PROVIDER_TIMEOUT               10
cold_load       NEVER          ALWAYS        -      -               UNAVAILABLE          MODEL_LOADING                  30
queue_full      NEVER          ALWAYS        -      -               RESOURCE_EXHAUSTED   SERVER_OVERLOADED               1
saturated       NEVER          ALWAYS        -      -               RESOURCE_EXHAUSTED   PROVIDER_OVERLOADED             2
rate_limit      WHEN_TOLD      ALWAYS        -      PROVIDER_MODEL  RESOURCE_EXHAUSTED   PROVIDER_RATE_LIMITED           2
quota           NEVER          ALWAYS        -      PROVIDER        RESOURCE_EXHAUSTED   PROVIDER_QUOTA_EXHAUSTED        -
credential      NEVER          ALWAYS        -      PROVIDER        FAILED_PRECONDITION  PROVIDER_CREDENTIALS_REJECTED   -
region          NEVER          ALWAYS        -      PROVIDER        FAILED_PRECONDITION  PROVIDER_CREDENTIALS_REJECTED   -
misconfigured   NEVER          ALWAYS        -      ENDPOINT        FAILED_PRECONDITION  PROVIDER_MISCONFIGURED          -
remote_refused  NEVER          ALWAYS        -      ENDPOINT_MODEL  FAILED_PRECONDITION  ROUTE_FORBIDDEN                 -
violation       NEVER          NEVER         -      ENDPOINT_MODEL  INTERNAL             PRIVACY_VIOLATION               -
model_missing   ELSEWHERE      ALWAYS        -      ENDPOINT_MODEL  NOT_FOUND            MODEL_NOT_FOUND                 -
context         NEVER          IF_IT_FITS    -      -               INVALID_ARGUMENT     CONTEXT_LENGTH_EXCEEDED         -
content         NEVER          NEVER         -      -               INVALID_ARGUMENT     CONTENT_REJECTED                -
caller          NEVER          UNLESS_FIRST  -      -               INVALID_ARGUMENT     REQUEST_REJECTED_UPSTREAM       -
fatal_schema    NEVER          OTHER_KIND    -      -               INVALID_ARGUMENT     REQUEST_REJECTED_UPSTREAM       -
capability      NEVER          ALWAYS        -      -               FAILED_PRECONDITION  CAPABILITY_UNSUPPORTED          -
model_output    NEVER          ONCE          -      -               ABORTED              MODEL_OUTPUT_INVALID            -
nonconforming   NEVER          ONCE          -      -               ABORTED              MODEL_OUTPUT_INVALID            -
protocol        NEVER          ALWAYS        count  -               INTERNAL             PROVIDER_PROTOCOL               -
open            NEVER          ALWAYS        -      -               UNAVAILABLE          BREAKER_OPEN                   10
no_time         NEVER          ALWAYS        -      -               DEADLINE_EXCEEDED    TIME_LIMIT_EXCEEDED             -
"""
"""Class, retry, next, breaker, block, code, reason, seconds of advice."""

ROWS = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_follows_from(row: list[str]) -> None:
    rules = ErrorKind[row[0].upper()].rules
    breaker = ("slow" if rules.is_slow else "count") if rules.counts else "-"
    advice = "-" if rules.retry_after_s is None else f"{rules.retry_after_s:g}"
    block = "-" if rules.block is None else rules.block.scope.name

    assert row[1:] == [
        rules.retry.name,
        rules.next.name,
        breaker,
        block,
        rules.code,
        rules.reason,
        advice,
    ]


def test_every_class_has_its_row_in_both() -> None:
    assert set(ErrorKind) == {ErrorKind[row[0].upper()] for row in ROWS}


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind.rules.is_slow])
def test_only_what_counts_can_be_slow(kind: ErrorKind) -> None:
    assert kind.rules.counts


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (ProviderError(ErrorKind.TRANSIENT), 1.0),
        (ProviderError(ErrorKind.TRANSIENT, retry_after_s=7.0), 7.0),
        (ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=0.0), 0.0),
        (ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=3_600.0), 900.0),
        (ProviderError(ErrorKind.QUOTA, retry_after_s=7.0), None),
        (ProviderError(ErrorKind.CREDENTIAL), None),
    ],
)
def test_waiting_is_advised_only_where_it_helps(error: ProviderError, wait_s: float | None) -> None:
    assert wait_s == error.advised_wait_s
