"""How values are declared: compared by content, never changed."""

from dataclasses import dataclass
from typing import TypeVar, cast, dataclass_transform

T = TypeVar("T", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: T) -> T:
    """Make a class of keyword-only fields, frozen to the type checker.

    At run time nothing enforces that: a frozen dataclass takes three times as long to make, and a
    call makes a dozen of these.
    """
    return cast("T", dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls))
