"""What the models of each family take: data, first match wins.

Sources: docs/facts/providers.md 2.7; the vendor's guide to its version 2026-10-21, by which models
from 4.7 on take no other values than their own; and the refusal "`temperature` and `top_p` cannot
both be specified for this model", reported of 4.1 to 4.6; of choices and formats, 2.8 there.
"""

from enum import StrEnum


class Steering(StrEnum):
    """What a model takes of `temperature`, `top_p` and `top_k`."""

    ALL = "all"
    ONE = "one"
    """Either `temperature` or `top_p`, and `top_k`."""
    NONE = "none"


_FAMILIES: tuple[tuple[str, Steering], ...] = (
    ("claude-opus-4-1", Steering.ONE),
    ("claude-opus-4-5", Steering.ONE),
    ("claude-opus-4-6", Steering.ONE),
    ("claude-sonnet-4-5", Steering.ONE),
    ("claude-sonnet-4-6", Steering.ONE),
    ("claude-haiku-4-5", Steering.ONE),
    ("claude-opus-4-7", Steering.NONE),
    ("claude-opus-4-8", Steering.NONE),
    ("claude-opus-5", Steering.NONE),
    ("claude-sonnet-5", Steering.NONE),
    ("claude-haiku-5", Steering.NONE),
    ("claude-fable-", Steering.NONE),
    ("claude-mythos-", Steering.NONE),
)

_BEFORE_FORMATS = (
    "claude-2",
    "claude-3",
    "claude-instant",
    "claude-opus-4-0",
    "claude-opus-4-20",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20",
)
"""Models from before `output_config.format`, as they are called: the first that take it are 4.1 and 4.5."""

_FREE_CHOICE_ONLY = ("claude-opus-5-5", "claude-fable-5-1", "claude-mythos-5-1")
"""Models that can't be made to call a tool, as they are called."""


def steering_of(model: str) -> Steering:
    """Return what a model takes; one of no family here is believed to take all."""
    return next(
        (steering for prefix, steering in _FAMILIES if model.startswith(prefix)), Steering.ALL
    )


def has_formats(model: str) -> bool:
    """Return whether a model can be held to a schema; one that is not known to be older can."""
    return not model.startswith(_BEFORE_FORMATS)


def can_be_forced(model: str) -> bool:
    """Return whether a model can be made to call a tool; one that is not known to refuse can."""
    return not model.startswith(_FREE_CHOICE_ONLY)
