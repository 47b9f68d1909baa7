"""Settings in words: what a value may be, and how a value is written."""

from collections.abc import Iterable
from enum import StrEnum
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from llmsvc_server.config.section import Expected

_MAX_LENGTH = 80


def describe_allowed(field: FieldInfo) -> str:
    """Return in words what a setting may be."""
    if words := _expected(field.metadata):
        return words
    is_union = get_origin(field.annotation) in {Union, UnionType}
    kinds = get_args(field.annotation) if is_union else (field.annotation,)
    return " or ".join(_describe_kind(kind, field) for kind in kinds)


def _expected(marks: Iterable[object]) -> str:
    return next((mark.words for mark in marks if isinstance(mark, Expected)), "")


def _describe_kind(kind: object, field: FieldInfo) -> str:
    if words := _expected(getattr(kind, "__metadata__", ())):
        return words
    if kind is bool:
        return "true or false"
    if kind is NoneType:
        return "null"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    noun = "a whole number" if kind is int else "a number"
    lowest = next((mark.ge for mark in field.metadata if isinstance(mark, Ge)), None)
    highest = next((mark.le for mark in field.metadata if isinstance(mark, Le)), None)
    return f"{noun} from {format_value(lowest)} to {format_value(highest)}"


def format_value(value: object) -> str:
    """Return a value as people write it: no fraction where there is none, null for nothing."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def escape_halves(text: str) -> str:
    """Return a text with half characters escaped, such as bytes that are no UTF-8 leave behind."""
    return text.encode("utf-8", "backslashreplace").decode()


def quote(text: str) -> str:
    """Return what somebody else wrote so that it fits into one line of ours.

    Control characters come escaped, and only the first 80 characters come at all.
    """
    return format_location(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}...")


def format_location(place: str) -> str:
    """Return a file or variable in one line of ours: to its end, where the line's number is."""
    return place if place.isprintable() else ascii(place)[1:-1]
