"""What a caller is told, rule by rule of docs/failover.md 2.4."""

from dataclasses import replace

import pytest

from llmsvc_server.errors import AllProvidersFailed, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.outcome import choose_failure
from tests.unit.server.routing.candidates import info_of


def at(name: str, error: ProviderError) -> ProviderError:
    return replace(error, provider=info_of(name), model="m")


def skip(name: str, kind: ErrorKind, retry_after_s: float | None = None) -> ProviderError:
    return at(name, ProviderError(kind, called=False, retry_after_s=retry_after_s))


def gated(name: str, cause: str = "request") -> ProviderError:
    return at(name, ProviderError(ErrorKind.REMOTE_REFUSED, called=False, cause=cause))


def told(
    *failures: ProviderError,
    is_cut: bool = False,
    names_target: bool = False,
    is_ended: bool = False,
) -> ProviderError | AllProvidersFailed:
    return choose_failure(failures, is_cut=is_cut, names_target=names_target, is_ended=is_ended)


TOLD_ITSELF = {
    "the only failure": ([at("a", ProviderError(ErrorKind.TRANSIENT))], 0),
    "the only skip": ([skip("a", ErrorKind.OPEN)], 0),
    "a first refusal of the request": ([at("a", ProviderError(ErrorKind.CALLER))], 0),
    "a first refusal of the content": ([at("a", ProviderError(ErrorKind.CONTENT))], 0),
    "one target's last word": (
        [at("a", ProviderError(ErrorKind.TRANSIENT)), at("a", ProviderError(ErrorKind.PROTOCOL))],
        1,
    ),
    "what one target said, not the queue later": (
        [at("a", ProviderError(ErrorKind.TRANSIENT)), skip("a", ErrorKind.QUEUE_FULL)],
        0,
    ),
    "a violation whatever came before": (
        [at("a", ProviderError(ErrorKind.TRANSIENT)), at("b", ProviderError(ErrorKind.VIOLATION))],
        1,
    ),
    "the soonest of skips for one reason": (
        [skip("a", ErrorKind.OPEN, 9), skip("b", ErrorKind.OPEN, 2), skip("c", ErrorKind.OPEN)],
        1,
    ),
    "a skip that may end at once": (
        [skip("a", ErrorKind.RATE_LIMIT, 1), skip("b", ErrorKind.RATE_LIMIT, 0.0)],
        1,
    ),
    "a failure behind a model that is missing": (
        [skip("a", ErrorKind.MODEL_MISSING), at("b", ProviderError(ErrorKind.TRANSIENT))],
        1,
    ),
    "a failure behind a target without time": (
        [skip("a", ErrorKind.NO_TIME), at("b", ProviderError(ErrorKind.TRANSIENT))],
        1,
    ),
    "a missing model where nobody has it": (
        [skip("a", ErrorKind.MODEL_MISSING), skip("b", ErrorKind.MODEL_MISSING)],
        0,
    ),
    "a prompt that is too long, not those that never held it": (
        [at("a", ProviderError(ErrorKind.CONTEXT)), skip("b", ErrorKind.CONTEXT)],
        0,
    ),
    "a failure behind a target that never held the prompt": (
        [skip("a", ErrorKind.CONTEXT), at("b", ProviderError(ErrorKind.TRANSIENT))],
        1,
    ),
    "a prompt that is too long where nobody else has the model": (
        [skip("a", ErrorKind.MODEL_MISSING), skip("b", ErrorKind.CONTEXT)],
        1,
    ),
    "a prompt that is too long where policy keeps the rest away": (
        [gated("a"), skip("b", ErrorKind.CONTEXT)],
        1,
    ),
    "a failure behind an entry without a key": (
        [
            at("a", ProviderError(ErrorKind.MISCONFIGURED, called=False, cause="inactive")),
            at("b", ProviderError(ErrorKind.TRANSIENT)),
        ],
        1,
    ),
    "too little time where there was no more": ([skip("a", ErrorKind.NO_TIME)], 0),
    "a local server's own refusal to forward": (
        [at("a", ProviderError(ErrorKind.REMOTE_REFUSED, called=False))],
        0,
    ),
}
"""What was met -> which of it is told itself."""

DECIDED = {
    "unavailable before what comes later": (
        [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CONNECT)],
        0,
    ),
    "unavailable before the first": (
        [
            ProviderError(ErrorKind.CREDENTIAL),
            ProviderError(ErrorKind.SILENT),
            ProviderError(ErrorKind.TRANSIENT),
        ],
        1,
    ),
    "a limit with advice before the first": (
        [ProviderError(ErrorKind.PROTOCOL), ProviderError(ErrorKind.RATE_LIMIT)],
        1,
    ),
    "a full queue before the first": (
        [ProviderError(ErrorKind.MODEL_MISSING), ProviderError(ErrorKind.QUEUE_FULL, called=False)],
        1,
    ),
    "a full server before the first": (
        [ProviderError(ErrorKind.CONTEXT), ProviderError(ErrorKind.SATURATED)],
        1,
    ),
    "a load before the first": (
        [ProviderError(ErrorKind.CAPABILITY), ProviderError(ErrorKind.COLD_LOAD, called=False)],
        1,
    ),
    "an open breaker before the first": (
        [ProviderError(ErrorKind.CREDENTIAL), ProviderError(ErrorKind.OPEN, called=False)],
        1,
    ),
    "not an empty account, where waiting does not help": (
        [ProviderError(ErrorKind.CREDENTIAL), ProviderError(ErrorKind.QUOTA)],
        0,
    ),
    "the first where none may pass": (
        [
            ProviderError(ErrorKind.CONTEXT),
            ProviderError(ErrorKind.CREDENTIAL),
            ProviderError(ErrorKind.MODEL_MISSING),
        ],
        0,
    ),
    "never a later refusal of the request": (
        [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CALLER)],
        0,
    ),
    "never a later refusal of the content": (
        [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CONTENT)],
        0,
    ),
    "never a refusal behind a skip": (
        [ProviderError(ErrorKind.OPEN, called=False), ProviderError(ErrorKind.CONTENT)],
        0,
    ),
    "never one behind a fault of our own": (
        [ProviderError(ErrorKind.CREDENTIAL), ProviderError(ErrorKind.CONTENT)],
        0,
    ),
    "the first of skips for several reasons": (
        [
            ProviderError(ErrorKind.QUOTA, called=False),
            ProviderError(ErrorKind.CREDENTIAL, called=False),
        ],
        0,
    ),
}
"""What each target in turn failed with -> which of it decides the code."""


@pytest.mark.parametrize(("failures", "index"), TOLD_ITSELF.values(), ids=TOLD_ITSELF)
def test_the_caller_is_told(failures: list[ProviderError], index: int) -> None:
    error = told(*failures)

    assert isinstance(error, ProviderError)
    expected = failures[index]
    assert (expected.kind, expected.provider) == (error.kind, error.provider)


@pytest.mark.parametrize(("failures", "index"), DECIDED.values(), ids=DECIDED)
def test_all_failed_and_the_code_is_of(failures: list[ProviderError], index: int) -> None:
    placed = [at(f"target-{number}", one) for number, one in enumerate(failures)]
    error = told(*placed)

    assert isinstance(error, AllProvidersFailed)
    assert placed[index] is error.deciding


def test_the_soonest_retry_of_all_is_advised() -> None:
    error = told(
        at("a", ProviderError(ErrorKind.TRANSIENT, retry_after_s=7.0)),
        at("b", ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=3.0)),
        at("c", ProviderError(ErrorKind.CREDENTIAL, retry_after_s=0.1)),
    )

    assert isinstance(error, AllProvidersFailed)
    assert 3.0 == error.retry_after_s


def test_nothing_is_advised_where_waiting_does_not_help() -> None:
    error = told(
        at("a", ProviderError(ErrorKind.CREDENTIAL)), at("b", ProviderError(ErrorKind.QUOTA))
    )

    assert isinstance(error, AllProvidersFailed)
    assert error.retry_after_s is None


@pytest.mark.parametrize("sent", [True, False])
def test_whether_anything_was_sent_is_known(*, sent: bool) -> None:
    error = told(
        skip("a", ErrorKind.OPEN), at("b", ProviderError(ErrorKind.CREDENTIAL, called=sent))
    )

    assert isinstance(error, AllProvidersFailed)
    assert sent is error.called


@pytest.mark.parametrize(
    ("failures", "is_cut", "is_ended", "blocked"),
    [
        ([at("a", ProviderError(ErrorKind.TRANSIENT))], False, False, ""),
        ([at("a", ProviderError(ErrorKind.TRANSIENT))], True, False, "request"),
        ([at("a", ProviderError(ErrorKind.TRANSIENT)), gated("cloud")], False, False, "privacy"),
        (
            [gated("cloud", "operator"), at("a", ProviderError(ErrorKind.TRANSIENT))],
            True,
            False,
            "privacy",
        ),
        ([skip("a", ErrorKind.MODEL_MISSING), gated("cloud")], False, False, "privacy"),
        # The policy had no part in it: the failure ends every chain.
        ([gated("cloud"), at("a", ProviderError(ErrorKind.CALLER))], False, True, ""),
        ([at("a", ProviderError(ErrorKind.CONTENT))], True, True, ""),
        # Nor had it in these: nobody but the provider itself refused.
        ([at("a", ProviderError(ErrorKind.REMOTE_REFUSED, called=False))], False, False, ""),
    ],
)
def test_what_kept_further_targets_away_is_said(
    failures: list[ProviderError], blocked: str, *, is_cut: bool, is_ended: bool
) -> None:
    assert blocked == told(*failures, is_cut=is_cut, is_ended=is_ended).failover_blocked


def test_what_privacy_kept_away_does_not_count_as_a_second_target() -> None:
    error = told(at("a", ProviderError(ErrorKind.TRANSIENT)), gated("cloud"))

    assert isinstance(error, ProviderError)
    assert ErrorKind.TRANSIENT is error.kind


def test_only_forbidden_targets_are_forbidden() -> None:
    first = gated("cloud")
    error = told(first, gated("other"))

    assert error is first
    assert "" == error.failover_blocked


@pytest.mark.parametrize(("names_target", "forbidden"), [(True, True), (False, False)])
def test_a_forbidden_targets_model_is_forbidden_where_it_was_named(
    *, names_target: bool, forbidden: bool
) -> None:
    missing, kept = skip("a", ErrorKind.MODEL_MISSING), gated("cloud")

    error = told(missing, kept, names_target=names_target)

    assert isinstance(error, ProviderError)
    assert (kept if forbidden else missing).kind is error.kind


def test_providers_that_all_refuse_connections_have_all_failed() -> None:
    failure = ProviderError(ErrorKind.CONNECT, called=False, requests=1)
    refused = [at(name, failure) for name in ("a", "b")]
    error = choose_failure(refused, is_cut=False, names_target=False)

    assert isinstance(error, AllProvidersFailed)
    assert not error.called
