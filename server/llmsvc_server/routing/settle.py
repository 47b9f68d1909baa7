"""Which failure the caller is told, of all that a call met. Pure. Rules: failover.md 2.4."""

from collections.abc import Sequence

from llmsvc_server.errors import AllProvidersFailed, ErrorKind, LlmsvcError, ProviderError
from llmsvc_server.routing.policy import POLICY, Next, advised_wait_s

_SILENT_SKIPS = frozenset((ErrorKind.MODEL_MISSING, ErrorKind.NO_TIME, ErrorKind.REMOTE_REFUSED))
"""Skips that say nothing of a provider: what it lacks, what the clock or the policy forbids."""


def counts(failure: ProviderError) -> bool:
    """Return whether a failure, or a skip, stands for an attempt."""
    return failure.called or failure.kind not in _SILENT_SKIPS


def settled(failures: Sequence[ProviderError], *, is_cut: bool, names_model: bool) -> LlmsvcError:
    """Return what the caller is told.

    Who ends the chain is told itself, and so is the only failure, or one for which all were
    skipped. Otherwise the first failure that may pass with time decides, else the first, in the
    configured order: the operator repairs the primary, and the caller must learn whether waiting
    helps.

    Args:
        failures: Everything tried and skipped, in order, at least one.
        is_cut: Whether the request itself kept further targets away.
        names_model: Whether the request named a model or targets.
    """
    counted = [failure for failure in failures if counts(failure)]
    gated = [one for one in failures if one.kind is ErrorKind.REMOTE_REFUSED and not one.called]
    if not counted:
        # A model that was asked for by name, and that only a forbidden target has, is forbidden.
        told = gated if gated and (names_model or len(gated) == len(failures)) else failures
        counted = [told[0]]
    error = _deciding(counted)
    if gated and error is not gated[0]:
        error.failover_blocked = "privacy"
    elif is_cut:
        error.failover_blocked = "request"
    return error


def _deciding(failures: Sequence[ProviderError]) -> LlmsvcError:
    last = failures[-1]
    ends = POLICY[last.kind].next is Next.NEVER
    if ends and (last.kind is ErrorKind.VIOLATION or len(failures) == 1):
        return last
    called = any(failure.called for failure in failures)
    kinds = {failure.kind for failure in failures}
    targets = {(failure.provider, failure.model) for failure in failures}
    if len(targets) == 1 or (not called and len(kinds) == 1):
        return _of_one(failures)
    waits_s = [wait_s for failure in failures if (wait_s := advised_wait_s(failure)) is not None]
    return AllProvidersFailed(
        next((failure for failure in failures if _may_pass(failure)), failures[0]),
        retry_after_s=min(waits_s, default=None),
        called=called,
    )


def _of_one(failures: Sequence[ProviderError]) -> ProviderError:
    """Return the last word of one target, or the soonest end of one reason for several."""
    if failures[-1].called:
        return failures[-1]
    return min(failures, key=lambda failure: failure.retry_after_s or float("inf"))


def _may_pass(failure: ProviderError) -> bool:
    return POLICY[failure.kind].retry_after_s is not None
