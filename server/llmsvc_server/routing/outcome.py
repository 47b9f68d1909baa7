"""Which failure the caller is told, of all that a call met. Pure. Rules: docs/failover.md 2.4."""

import math
from collections.abc import Sequence
from dataclasses import replace

from llmsvc_server.errors import AllProvidersFailed, ProviderError
from llmsvc_server.failures import ErrorKind, Next

_POLICIES = frozenset(("request", "operator"))
_INACTIVE = "inactive"


def counts(failure: ProviderError) -> bool:
    """Return whether a failure, or a skip, stands for an attempt.

    Who could not have been asked in any case is no target that failed.
    """
    if failure.called:
        return True
    return failure.kind.rules.skip_counts and failure.cause != _INACTIVE and not _is_gated(failure)


def choose_failure(
    failures: Sequence[ProviderError],
    *,
    is_cut: bool,
    names_target: bool,
    is_ended: bool = False,
) -> ProviderError | AllProvidersFailed:
    """Return what the caller is told.

    Who ends the chain is told itself, and so is the only failure, or one for which all were
    skipped. Otherwise the first failure that may pass with time decides, else the first, in the
    configured order: the operator repairs the primary, and the caller must learn whether waiting
    helps.

    Args:
        failures: Everything tried and skipped, in order, at least one.
        is_cut: Whether the request itself kept further targets away.
        names_target: Whether the request named targets, or another model than the primary's own.
        is_ended: Whether the last failure alone kept further targets away.
    """
    counted = [failure for failure in failures if counts(failure)]
    gated = [failure for failure in failures if _is_gated(failure)]
    if not counted:  # who has the model, and not the room or the skill, says more than who lacks it
        unfit = (ErrorKind.CONTEXT, ErrorKind.CAPABILITY)
        counted = [failure for failure in failures if failure.kind in unfit][:1]
    if not counted:
        # A model that was asked for by name, and that only a forbidden target has, is forbidden.
        told = gated if gated and (names_target or len(gated) == len(failures)) else failures
        counted = [told[0]]
    error = _deciding(counted)
    if is_ended:
        return error
    if gated and error is not gated[0]:
        return replace(error, failover_blocked="privacy")
    return replace(error, failover_blocked="request") if is_cut else error


def _is_gated(failure: ProviderError) -> bool:
    """Return whether a policy, not the provider itself, kept the content in."""
    return failure.kind is ErrorKind.REMOTE_REFUSED and failure.cause in _POLICIES


def _deciding(failures: Sequence[ProviderError]) -> ProviderError | AllProvidersFailed:
    last = failures[-1]
    if last.kind is ErrorKind.VIOLATION and last.called:
        return last
    called = [failure for failure in failures if failure.called]
    tried = any(failure.requests for failure in failures)
    if len({(failure.provider, failure.model) for failure in failures}) == 1:
        return (called or failures)[-1]
    if not tried and len({failure.kind for failure in failures}) == 1:
        return min(failures, key=_told_wait_s)
    if all(failure.kind.rules.next is Next.ONCE for failure in failures):
        return failures[0]  # who was asked besides is no reason to look for another fault
    waits_s = [wait_s for failure in failures if (wait_s := failure.advised_wait_s) is not None]
    return AllProvidersFailed(
        next((one for one in failures if one.kind.rules.retry_after_s is not None), failures[0]),
        retry_after_s=min(waits_s, default=None),
        called=bool(called),
    )


def _told_wait_s(failure: ProviderError) -> float:
    return math.inf if failure.retry_after_s is None else failure.retry_after_s
