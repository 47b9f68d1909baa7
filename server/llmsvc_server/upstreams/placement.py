"""Where a chat may run, of all addresses of its provider. Pure: their states in, a choice out.

Docs: docs/failover.md 7 and 9.
"""

import math
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


def find_usable(
    endpoints: Iterable[Endpoint], model: str, *, only_candidate: bool
) -> list[Endpoint] | ProviderError:
    """Return where calls for a model may go now, or may wait to go; or why nowhere.

    Of several reasons that is the one which ends first. Who is down may have the model or not.
    """
    usable: list[Endpoint] = []
    refusals: list[ProviderError] = []
    for endpoint in endpoints:
        if endpoint.facts.has(model):
            refusal = endpoint.refusal(model, only_candidate=only_candidate)
            if refusal is None:
                usable.append(endpoint)
            else:
                refusals.append(refusal)
    if usable:
        return usable
    if refusals:
        return min(refusals, key=lambda one: one.retry_after_s or math.inf)
    if all(endpoint.facts.has("") for endpoint in endpoints):
        return ProviderError(ErrorKind.MODEL_MISSING, called=False)
    return ProviderError(ErrorKind.CONNECT, called=False, phase="connect")


def place(
    endpoints: Sequence[Endpoint],
    model: str,
    *,
    only_candidate: bool,
    rng: random.Random,
    loads_first: bool = False,
) -> Placement:
    """Return where a chat runs: in memory, without trouble of late, least busy.

    A place elsewhere is not taken because the better ones are full: a cold one would load, and one
    that fails at once would be given everything.

    Args:
        endpoints: All there are.
        model: What is to run.
        only_candidate: Whether the chat has nowhere else to go.
        rng: Chooses among equals.
        loads_first: Whether a model that is nowhere in memory is loaded first.
    """
    usable = find_usable(endpoints, model, only_candidate=only_candidate)
    if isinstance(usable, ProviderError):
        return usable
    if len(usable) > 1:
        return _best_of(usable, model, loads_first=loads_first, rng=rng)
    if loads_first and not usable[0].loads.is_loaded(model):
        return Cold(usable[0])
    return usable[0] if usable[0].has_room(model) else None


def _best_of(
    usable: Sequence[Endpoint], model: str, *, loads_first: bool, rng: random.Random
) -> Endpoint | Cold | None:
    loaded = [one for one in usable if one.loads.is_loaded(model)]
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
    usable = find_usable(endpoints, model, only_candidate=only_candidate)
    if isinstance(usable, ProviderError):
        return None
    cold = [one for one in usable if not one.loads.is_loaded(model)]
    return _to_load(cold, model) if cold else None


def _to_load(cold: Sequence[Endpoint], model: str) -> Endpoint:
    """Return where a load runs already, else where trouble and business are least."""
    return min(cold, key=lambda one: (not one.loads.is_loading(model), one.is_troubled, one.load))
