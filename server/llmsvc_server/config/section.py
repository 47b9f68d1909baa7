"""What every group of settings is, and how a value is refused with its remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

REFUSED = "refused"
"""Error type of our own checks; its context holds `what` and `remedy`."""


def is_blank(given: object) -> bool:
    """Return whether nothing stands behind a key; to a group or a list that means no keys in it."""
    return given is None or given == ""


class Section(BaseModel):
    """A group of settings. An empty one means its defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_defaults(cls, given: object) -> object:
        return {} if is_blank(given) else given


def blank_is_empty(given: object) -> object:
    """Return an empty list for nothing behind a key, and anything else as it is."""
    return () if is_blank(given) else given


@dataclass(frozen=True, slots=True)
class Expected:
    """What a text must look like, in words; stands in a field's annotation."""

    words: str


FieldError = tuple[tuple[str, ...], PydanticCustomError]
"""Path of a value below its section, and what is wrong there."""


def value_error(what: str, remedy: str) -> PydanticCustomError:
    """Return the error of one value; both texts are for people and never quote a secret."""
    return PydanticCustomError(REFUSED, "{what}; {remedy}", {"what": what, "remedy": remedy})


def raise_errors(errors: Sequence[FieldError]) -> NoReturn:
    """Refuse several values of one section at once.

    Args:
        errors: Path below the section, and what is wrong there; at least one.

    Raises:
        ValidationError: Always.
    """
    details = [InitErrorDetails(type=error, loc=path, input=None) for path, error in errors]
    raise ValidationError.from_exception_data("settings", details, hide_input=True)
