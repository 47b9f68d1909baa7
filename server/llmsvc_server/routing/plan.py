"""Which candidates a request has, in order. Pure: a request, the targets, what is known of them."""

from collections.abc import Sequence

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.value import value
from llmsvc_server.errors import ModelNotFound, ProviderError
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.routing.budget import Patience


@value
class Target:
    """One configured provider in its wrappers, and the model that it runs by default."""

    provider: ChatProvider
    default_model: str
    patience: Patience


@value
class Candidate:
    """One provider with one model, in the provider's own spelling.

    `pull_hint` is the model as configured, should it turn out to be missing; else empty.
    """

    provider: ChatProvider
    model: str
    patience: Patience
    pull_hint: str = ""


Outcome = Candidate | ProviderError
"""What the plan says of one target: ask it, or why not."""


def plan(model: str, targets: Sequence[Target], inventory: Inventory) -> list[Outcome]:
    """Return what to do with each target, in their order.

    A request that names no model, or the primary's configured one, runs each candidate's own
    default model. Any other name runs only where it is listed: nobody's typo is answered by
    something else.

    Args:
        model: Model that the request named; empty if none.
        targets: The configured sequence, the primary first, at least one.
        inventory: What each provider is known to have.
    """
    primary = targets[0]
    by_default = not model or inventory.same_model(
        primary.provider.info.name, model, primary.default_model
    )
    return [_outcome(model, target, inventory, by_default=by_default) for target in targets]


def _outcome(model: str, target: Target, inventory: Inventory, *, by_default: bool) -> Outcome:
    wanted = target.default_model if by_default else model
    name = target.provider.info.name
    problem = inventory.unknown(name)
    if problem is not None:
        return _fact(problem, target, wanted)
    configured = by_default or inventory.same_model(name, wanted, target.default_model)
    pull_hint = target.default_model if configured else ""
    spelling = inventory.spelling(name, wanted)
    if spelling is not None:
        return Candidate(
            provider=target.provider,
            model=spelling,
            patience=target.patience,
            pull_hint=pull_hint,
        )
    missing = ModelNotFound(called=False)
    missing.pull_hint = pull_hint
    return _fact(missing, target, wanted)


def _fact(error: ProviderError, target: Target, model: str) -> ProviderError:
    error.provider = target.provider.info
    error.model = model
    return error
