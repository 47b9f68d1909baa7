"""The settings as a list: where each stands, and what its variable is called."""

from collections.abc import Iterator, Mapping
from typing import get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llmsvc_server.config.providers import PROVIDER_KINDS
from llmsvc_server.config.section import Section
from llmsvc_server.config.settings import Settings

Path = tuple[str, ...]
"""Place of a setting, from the root: ("llm", "providers", "ollama", "model")."""

PREFIX = "LLMSVC_"
DELIMITER = "__"
ENTRIES: Path = ("llm", "providers")


def environment_name(path: Path) -> str:
    """Return the name of the variable that sets what stands at `path`."""
    return PREFIX + DELIMITER.join(path).upper()


def sections() -> Mapping[Path, type[BaseModel]]:
    """Return every group of settings by its place, the root included.

    An entry of a kind stands where an entry of that name would.
    """
    found: dict[Path, type[BaseModel]] = {(): Settings}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[name,] = field.annotation
    return found | {(*ENTRIES, kind): section for kind, section in PROVIDER_KINDS.items()}


def keys() -> Mapping[Path, FieldInfo]:
    """Return every single setting by its place, in the order of the documentation."""
    places = sections()
    return {
        (*place, name): field
        for place, section in places.items()
        for name, field in section.model_fields.items()
        if (*place, name) not in places and (*place, name) != ENTRIES
    }


def find(path: Path) -> FieldInfo | None:
    """Return the setting at `path`, whatever its entry is called; None where there is none."""
    known = keys()
    if path[: len(ENTRIES)] != ENTRIES:
        return known.get(path)
    _, _, _, *key = path if len(path) > len(ENTRIES) else (*path, "")
    places = ((*ENTRIES, kind, *key) for kind in PROVIDER_KINDS)
    return next((known[place] for place in places if place in known), None)


def is_list(field: FieldInfo) -> bool:
    """Return whether the setting is a list, which the environment gives as JSON."""
    return get_origin(field.annotation) is tuple


def is_map(field: FieldInfo) -> bool:
    """Return whether the setting is a map, which the environment gives as JSON too."""
    return get_origin(field.annotation) is Mapping


def by_kind(path: Path) -> Path:
    """Return where the setting of an entry of a known kind stands in `keys()`.

    Args:
        path: Place whose part behind the entry's name is the kind.
    """
    return (*ENTRIES, *path[len(ENTRIES) + 1 :]) if path[: len(ENTRIES)] == ENTRIES else path


def leaves(settings: BaseModel, place: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every effective setting with its place, entries under their own names."""
    for name in type(settings).model_fields:
        path = (*place, name)
        value = getattr(settings, name)
        if path == ENTRIES:
            for entry_name, entry in value.items():
                yield from leaves(entry, (*path, entry_name))
        elif isinstance(value, BaseModel):
            yield from leaves(value, path)
        else:
            yield path, value
