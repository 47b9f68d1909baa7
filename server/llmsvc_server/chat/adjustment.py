"""A way in which a call was not run as asked."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done with a request field."""

    IGNORED = "ignored"
    EMULATED = "emulated"
    CLAMPED = "clamped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One request field that was left out or changed.

    `field` is its path in the contract, such as "generation_config.seed". `description` is for
    people, in English, without content.
    """

    field: str
    action: Action
    description: str
