"""How values and errors are declared: complete when made, never changed."""

from dataclasses import dataclass, field
from typing import TypeVar, cast, dataclass_transform

T = TypeVar("T", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: T) -> T:
    """Make a class of keyword-only fields, frozen to the type checker.

    At run time nothing enforces that: a frozen dataclass takes three times as long to make, and a
    call makes a dozen of these (ADR-011).
    """
    return cast("T", dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls))


@dataclass_transform(
    frozen_default=True, kw_only_default=True, eq_default=False, field_specifiers=(field,)
)
def exception(cls: T) -> T:
    """Make an exception of keyword-only fields, frozen to the type checker.

    At run time nothing enforces that either: Python writes a traceback into what is raised.
    """
    return cast("T", dataclass(kw_only=True, eq=False, repr=False)(cls))
