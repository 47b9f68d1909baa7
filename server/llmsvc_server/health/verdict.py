"""From what is known to what health answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmsvc_server.chat.route import Locality, ProviderInfo

LIVENESS = "liveness"
READINESS = "readiness"
READINESS_NAMES = ("", READINESS, "llmsvc.v1.LLMService")


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


def verdict(facts: Sequence[ProviderFacts], require: Require) -> Mapping[str, bool]:
    """Return the whole health table: name -> whether it is SERVING.

    Args:
        facts: What is known of each provider, the primary first.
        require: The operator's choice, `health.require`.
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
        named = {fact.default_model: fact.serves_default, **fact.models}
        for model, has in named.items():
            table[f"model/{model}"] = has or table.get(f"model/{model}", False)
    return table
