"""What is wrong with a configuration, a line each: where, what, and the remedy."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from typing_extensions import override

from llmsvc_server.config.keys import ENTRIES, Path, by_kind, keys, sections
from llmsvc_server.config.llm import ENTRY_NAME, ENTRY_NAME_WORDS
from llmsvc_server.config.providers import PROVIDER_KINDS
from llmsvc_server.config.section import REFUSED
from llmsvc_server.config.words import describe_allowed, format_location, quote

_WHAT = {
    "greater_than_equal": "out of range",
    "less_than_equal": "out of range",
    "finite_number": "out of range",
    "string_too_short": "missing",
    "too_long": "too long",
}
_KEY_MARK = "[key]"
_ENTRY = len(ENTRIES) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: File with its line, or variable. Empty where neither was involved.
        path: Dotted place of the setting. Empty where no single one is concerned.
        what: What is wrong. Never the value, which might be a secret.
        remedy: What to do, or what is allowed.
    """

    where: str
    path: str
    what: str
    remedy: str

    @override
    def __str__(self) -> str:
        """Return the problem as one line."""
        places = (format_location(self.where), quote(self.path))
        place = "".join(f"{part}: " for part in places if part)
        return f"{place}{self.what}; {self.remedy}"


class ConfigInvalid(Exception):
    """The configuration can't be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep everything that is wrong, at least one."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def unknown_key(path: Path, where: str, section: Path) -> Problem:
    """Return the problem of a key that is none.

    Args:
        path: Where it stands.
        where: Which source says so.
        section: Place of the group around it; an entry's place by its kind.
    """
    *_, key = path
    siblings = list(sections()[section].model_fields)
    if elsewhere := _find_elsewhere(path):
        remedy = f"did you mean {'.'.join(elsewhere)}?"
    elif close := difflib.get_close_matches(key, siblings, n=1):
        remedy = f"did you mean {close[0]}?"
    else:
        remedy = f"allowed: {', '.join(siblings)}"
    return Problem(where=where, path=".".join(path), what="unknown key", remedy=remedy)


def _find_elsewhere(path: Path) -> Path | None:
    """Return a place that ends alike; an entry's key is sought outside of entries only."""
    in_entry = path[: len(ENTRIES)] == ENTRIES
    places = (ENTRIES, *sections(), *keys())
    alike = (place for place in places if place[-1:] == path[-1:])
    return next(
        (place for place in alike if not (in_entry and place[: len(ENTRIES)] == ENTRIES)), None
    )


def translate(
    error: ValidationError, where: Callable[[Path], str], mentions: Callable[[str], Path | None]
) -> Iterator[Problem]:
    """Yield what validation found.

    Args:
        error: What it raised.
        where: Tells which source is to blame for a place.
        mentions: Tells where a provider is named, for entries that nobody wrote.
    """
    details = error.errors(include_url=False, include_input=False)
    misnamed = {detail["loc"][:-1] for detail in details if detail["loc"][-1:] == (_KEY_MARK,)}
    for detail in details:
        place = detail["loc"]
        if detail["type"] == "default_factory_not_called":
            continue  # follows from another error, which is told
        if detail["type"] == "union_tag_invalid" and place in misnamed:
            continue
        yield _translate(detail, where, mentions)


def _translate(
    detail: ErrorDetails, where: Callable[[Path], str], mentions: Callable[[str], Path | None]
) -> Problem:
    place = tuple(map(str, detail["loc"]))
    path = _strip_marks(place)
    if detail["type"] == "extra_forbidden":
        return unknown_key(path, where(path), _section(place[:-1]))
    what, remedy = _describe(detail, place)
    if path[:-1] == ENTRIES and (mention := mentions(path[-1])):
        path = mention
        if detail["type"] == "union_tag_invalid":
            what = f"{place[-1]} is neither an entry of llm.providers nor a provider kind"
    return Problem(where=where(path), path=".".join(path), what=what, remedy=remedy)


def _strip_marks(place: Path) -> Path:
    """Return a place without what the library puts behind an entry's name, and behind a key."""
    if place[-1:] == (_KEY_MARK,):
        place = place[:-1]
    marked = place[: len(ENTRIES)] == ENTRIES and place[_ENTRY:]
    if marked and place[_ENTRY] in PROVIDER_KINDS:
        return (*place[:_ENTRY], *place[_ENTRY + 1 :])
    return place


def _section(place: Path) -> Path:
    """Return the place of a group of settings, an entry's by its kind."""
    return (*ENTRIES, place[_ENTRY]) if place[_ENTRY:] else place


def _find_setting(place: Path) -> FieldInfo | None:
    """Return the setting at a place, or the one that it is a part of."""
    known = keys()
    places = (place[:length] for length in range(len(place), 0, -1))
    return next((known[path] for path in places if path in known), None)


def _describe(detail: ErrorDetails, place: Path) -> tuple[str, str]:
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind == REFUSED:
        return context["what"], context["remedy"]
    if kind == "union_tag_invalid":
        # Only what could be a name is repeated: anything else might be a secret gone astray.
        is_name = re.fullmatch(ENTRY_NAME, context["tag"])
        missing = f"provider kind {context['tag']}" if is_name else "such provider kind"
        return f"there is no {missing}", f"kinds: {', '.join(sorted(PROVIDER_KINDS))}"
    if place[-1] == _KEY_MARK and place[: len(ENTRIES)] == ENTRIES and len(place) == _ENTRY + 1:
        return "not a provider's name", f"allowed: {ENTRY_NAME_WORDS}"
    field = _find_setting(by_kind(place))
    if field is None:
        return "not a group of settings", "write its keys below it, indented"
    return _WHAT.get(kind, "not accepted"), f"allowed: {describe_allowed(field)}"
