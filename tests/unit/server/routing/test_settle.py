import pytest

from llmsvc_server.errors import (
    AllProvidersFailed,
    ContentRejected,
    CredentialRejected,
    LlmsvcError,
    ModelNotFound,
    PrivacyViolated,
    ProviderBlocked,
    ProviderError,
    ProviderFailed,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    RouteForbidden,
    TooLittleTime,
)
from llmsvc_server.routing.settle import settled
from tests.unit.server.routing.candidates import info_of


def at(name: str, error: ProviderError) -> ProviderError:
    error.provider, error.model = info_of(name), "m"
    return error


def skip(name: str, kind: type[ProviderError], retry_after_s: float | None = None) -> ProviderError:
    return at(name, kind(called=False, retry_after_s=retry_after_s))


def told(*failures: ProviderError, is_cut: bool = False, names_model: bool = False) -> LlmsvcError:
    return settled(failures, is_cut=is_cut, names_model=names_model)


def deciding(*failures: ProviderError) -> ProviderError:
    error = told(*failures)
    assert isinstance(error, AllProvidersFailed)
    return error.deciding


@pytest.mark.parametrize(
    "error", [ProviderFailed(), CredentialRejected(), ProviderRejected(), ContentRejected()]
)
def test_the_only_failure_is_told_itself(error: ProviderError) -> None:
    assert error is told(at("a", error))


def test_the_last_word_of_one_target_is_told() -> None:
    last = at("a", ProviderProtocolError())

    assert last is told(at("a", ProviderFailed()), last)


def test_of_several_the_first_that_may_pass_decides() -> None:
    passing = at("b", ProviderTimeout())

    assert passing is deciding(at("a", CredentialRejected()), passing, at("c", ProviderFailed()))


def test_if_none_may_pass_the_first_decides() -> None:
    first = at("a", CredentialRejected())

    assert first is deciding(first, at("b", ProviderRejected()))


def test_the_soonest_retry_is_advised() -> None:
    error = told(
        at("a", ProviderFailed(retry_after_s=7.0)),
        at("b", ProviderRateLimited(retry_after_s=3.0)),
    )

    assert isinstance(error, AllProvidersFailed)
    assert 3.0 == error.retry_after_s
    assert error.called


def test_a_later_refusal_never_hides_an_outage() -> None:
    outage = at("a", ProviderFailed())

    assert outage is deciding(outage, at("b", ProviderRejected()))
    assert outage is deciding(outage, at("b", ContentRejected()))


def test_a_violation_is_told_whatever_came_before() -> None:
    violated = at("b", PrivacyViolated())

    assert violated is told(at("a", ProviderFailed()), violated)


def test_skips_for_one_reason_are_told_as_that_with_the_soonest_end() -> None:
    sooner = skip("b", ProviderBlocked, 2.0)

    assert sooner is told(skip("a", ProviderBlocked, 9.0), sooner)


def test_skips_for_several_reasons_all_failed() -> None:
    error = told(skip("a", ProviderBlocked), skip("b", CredentialRejected))

    assert isinstance(error, AllProvidersFailed)
    assert not error.called


@pytest.mark.parametrize("kind", [ModelNotFound, TooLittleTime])
def test_a_skip_that_says_nothing_of_a_provider_counts_only_alone(
    kind: type[ProviderError],
) -> None:
    failure, alone = at("b", ProviderUnreachable()), skip("a", kind)

    assert failure is told(skip("a", kind), failure)
    assert alone is told(alone)


def test_what_privacy_kept_away_is_said_beside_the_local_failure() -> None:
    failure = at("a", ProviderFailed())
    error = told(failure, skip("cloud", RouteForbidden))

    assert error is failure
    assert "privacy" == error.failover_blocked


def test_what_the_request_kept_away_is_said_too() -> None:
    assert "request" == told(at("a", ProviderFailed()), is_cut=True).failover_blocked


def test_only_forbidden_targets_are_forbidden() -> None:
    first = skip("cloud", RouteForbidden)
    error = told(first, skip("other", RouteForbidden))

    assert error is first
    assert "" == error.failover_blocked


@pytest.mark.parametrize(("names_model", "forbidden"), [(True, True), (False, False)])
def test_a_forbidden_targets_model_is_forbidden_where_it_was_named(
    *, names_model: bool, forbidden: bool
) -> None:
    missing, gated = skip("a", ModelNotFound), skip("cloud", RouteForbidden)

    assert told(missing, gated, names_model=names_model) is (gated if forbidden else missing)
