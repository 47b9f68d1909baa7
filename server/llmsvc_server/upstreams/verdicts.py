"""What failed attempts say of an upstream's health, kept back: a retry may take it back.

Only the last word of a call on an upstream counts (docs/failover.md 5). Who runs the candidates
holds a plain dict for each of them; these are the rules for it.
"""

from typing import TYPE_CHECKING, NamedTuple

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.breaker import CircuitBreaker, Permit
from llmsvc_server.upstreams.lease import Lease

if TYPE_CHECKING:
    from llmsvc_server.upstreams.endpoint import Endpoint


class Verdict(NamedTuple):
    """A failure that would count.

    Attributes:
        endpoint: Where it was.
        model: Of what.
        permit: Leave that the breaker gave.
        kind: Its class.
        successes: How many the breaker had noted then.
    """

    endpoint: "Endpoint"
    model: str
    permit: Permit
    kind: ErrorKind
    successes: int

    def report(self) -> bool:
        """Let it count; return whether the breaker opened by it."""
        is_stale = self.permit.breaker.successes != self.successes
        return self.permit.breaker.take_failure(self.permit, self.kind, is_stale=is_stale)


Verdicts = dict[CircuitBreaker, Verdict]
"""Of one call on one candidate: at most one a breaker."""


def is_silence(error: ProviderError) -> bool:
    """Return whether a failure is that nothing at all came in time."""
    return error.kind is ErrorKind.SILENT and error.phase == "first_token"


def take_content(lease: Lease, verdicts: Verdicts) -> None:
    """Tell the breakers of first content, which takes back what was said before."""
    for permit in (lease.connecting, lease.answering):
        if permit.serial:
            permit.breaker.take_content(permit)
        verdicts.pop(permit.breaker, None)


def take_failure(
    error: ProviderError, lease: Lease, verdicts: Verdicts, *, is_full_length: bool
) -> Verdict | None:
    """Take back what a failure replaces, and return what it says itself; None if nothing.

    Args:
        error: The failure.
        lease: Of the attempt that failed.
        verdicts: Of the call so far; the new one is not put there.
        is_full_length: Whether all the time was granted that the provider is given.
    """
    connects, is_unheard = error.kind is ErrorKind.CONNECT, is_silence(error)
    if error.called and not connects and not is_unheard:
        lease.connecting.breaker.take_success(lease.connecting)
    verdicts.pop(lease.connecting.breaker, None)
    if not connects:  # else what the model did stands
        verdicts.pop(lease.answering.breaker, None)
    is_short = error.is_cut_short or (is_unheard and not is_full_length)
    if not error.kind.rules.counts or is_short:
        return None
    permit = lease.connecting if connects else lease.answering
    return Verdict(lease.endpoint, lease.model, permit, error.kind, permit.breaker.successes)
