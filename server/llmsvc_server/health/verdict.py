"""From what is known to what health answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmsvc_server.chat.route import Locality, ProviderInfo

LIVENESS = "liveness"
READINESS = "readiness"
READINESS_NAMES = ("", READINESS, "llmsvc.v1.LLMService")
MAX_MODELS = 2_000


class Require(StrEnum):
    """What readiness asks for: any serving provider, a local one, or nothing."""

    ANY = "any"
    LOCAL = "local"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """One provider.

    `in_sequence` says whether requests go there without naming it, `can_be_called` whether they may
    now, `serves_default` whether it then also has its `default_model`, as configured.
    `ready` is the same in the eyes of balancers, which overlook what may pass in a moment.
    `models` are the names of all its models, as it spells them, and whether each can be run now.
    """

    info: ProviderInfo
    in_sequence: bool
    can_be_called: bool
    serves_default: bool
    ready: bool
    default_model: str
    models: Mapping[str, bool]


def judge(
    facts: Sequence[ProviderFacts], require: Require, *, max_models: int = MAX_MODELS
) -> Mapping[str, bool]:
    """Return the whole health table: name -> whether it is SERVING.

    Args:
        facts: What is known of each provider, the primary first.
        require: The operator's choice, `health.require`.
        max_models: Most models that have a name there, besides every provider's default model.
    """
    table = {LIVENESS: True}
    ready = require is Require.NONE or any(
        fact.ready
        for fact in facts
        if fact.in_sequence
        and (require is not Require.LOCAL or fact.info.locality is Locality.LOCAL)
    )
    table |= dict.fromkeys(READINESS_NAMES, ready)
    for fact in facts:
        table[f"provider/{fact.info.name}"] = fact.can_be_called
    table |= {f"model/{name}": has for name, has in _models(facts, max_models).items()}
    return table


def _models(facts: Sequence[ProviderFacts], max_models: int) -> Mapping[str, bool]:
    """Return whether anybody runs a model now, for the default ones and as many others."""
    models: dict[str, bool] = {}
    for fact in facts:
        name = fact.default_model
        models[name] = models.get(name, False) or fact.models.get(name, fact.serves_default)
    max_models += len(models)
    for fact in facts:
        for name, has in fact.models.items():
            if name in models or len(models) < max_models:
                models[name] = has or models.get(name, False)
    return models
