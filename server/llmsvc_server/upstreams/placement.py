"""Where a chat may run, of all addresses of its provider. Pure: their states in, a choice out.

Docs: docs/failover.md 7 and 9.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Cold:
    """The model is in memory nowhere: load it there first."""

    endpoint: Endpoint


Placement = Endpoint | Cold | ProviderError | None
"""Where a chat runs, where to load first, why nowhere; None where all that may run it are full."""


def find_refusal(
    endpoints: Iterable[Endpoint], model: str, *, only_candidate: bool
) -> ProviderError | None:
    """Return why no call for a model may go anywhere now; None if one may, or may wait for it.

    Of several reasons that is the one which ends first.
    """
    first: ProviderError | None = None
    for endpoint in endpoints:
        if not endpoint.has(model):
            continue
        refused = endpoint.refusal(model, only_candidate=only_candidate)
        if refused is None:
            return None
        if first is None or _end_s(refused) < _end_s(first):
            first = refused
    return first or ProviderError(ErrorKind.CONNECT, called=False, phase="connect")


def place(
    endpoints: Sequence[Endpoint],
    model: str,
    *,
    only_candidate: bool,
    loads_first: bool,
    rng: random.Random,
) -> Placement:
    """Return where a chat runs: in memory, without trouble of late, least busy.

    A place elsewhere is not taken because the better ones are full: a cold one would load, and one
    that fails at once would be given everything.

    Args:
        endpoints: All there are.
        model: What is to run.
        only_candidate: Whether the chat has nowhere else to go.
        loads_first: Whether a model that is nowhere in memory is loaded first.
        rng: Chooses among equals.
    """
    usable = _usable(endpoints, model, only_candidate=only_candidate)
    if not usable:
        return find_refusal(endpoints, model, only_candidate=only_candidate)
    best, *others = usable
    if others:
        return _best_of(usable, model, loads_first=loads_first, rng=rng)
    if loads_first and not best.is_loaded(model):
        return Cold(best)
    return best if best.has_room(model) else None


def _best_of(
    usable: Sequence[Endpoint], model: str, *, loads_first: bool, rng: random.Random
) -> Endpoint | Cold | None:
    loaded = [one for one in usable if one.is_loaded(model)]
    if loads_first and not loaded:
        return Cold(_to_load(usable, model))
    best = loaded or usable
    best = [one for one in best if not one.is_troubled] or best
    free = [one for one in best if one.has_room(model)]
    lowest = min((one.load for one in free), default=0.0)
    free = [one for one in free if one.load == lowest]
    return rng.choice(free) if len(free) > 1 else next(iter(free), None)


def find_cold(
    endpoints: Sequence[Endpoint], model: str, *, only_candidate: bool
) -> Endpoint | None:
    """Return where a model could be loaded besides, since the queue for it is long; None if nowhere."""
    usable = _usable(endpoints, model, only_candidate=only_candidate)
    cold = [one for one in usable if not one.is_loaded(model)]
    return _to_load(cold, model) if cold else None


def _usable(endpoints: Sequence[Endpoint], model: str, *, only_candidate: bool) -> list[Endpoint]:
    return [
        one
        for one in endpoints
        if one.has(model) and one.refusal(model, only_candidate=only_candidate) is None
    ]


def _to_load(cold: Sequence[Endpoint], model: str) -> Endpoint:
    """Return where a load runs already, else where trouble and business are least."""
    return min(cold, key=lambda one: (not one.is_loading(model), one.is_troubled, one.load))


def _end_s(refused: ProviderError) -> float:
    return refused.retry_after_s or float("inf")
