"""How a real Ollama reads a model's name.

Source: docs/facts/ollama.md 6. Written apart from the adapter on purpose.
"""

import re
from enum import StrEnum
from typing import NamedTuple


class Source(StrEnum):
    """Where a name's suffix says the model runs."""

    UNSAID = ""
    LOCAL = "local"
    CLOUD = "cloud"


class Name(NamedTuple):
    """A whole name, in lower case: what two spellings of one model share."""

    host: str
    namespace: str
    model: str
    tag: str


_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}", re.ASCII)
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)


def read_name(text: str) -> Name | None:
    """Return the whole name; None if it is malformed. Source suffixes are read before."""
    rest = text.strip().split("://", 1)[-1]
    before, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        rest = before
    else:
        tag = "latest"
    *places, model = rest.split("/")
    namespace = places.pop() if places else "library"
    host = "/".join(places) if places else "registry.ollama.ai"
    fits = _HOST.fullmatch(host) and _NAMESPACE.fullmatch(namespace)
    if not (fits and _PART.fullmatch(model) and _PART.fullmatch(tag)):
        return None
    return Name(host.lower(), namespace.lower(), model.lower(), tag.lower())


def cut_source(text: str) -> tuple[str, Source]:
    """Return a name without its source suffix, and what the suffix says. Since 0.18."""
    bare, colon, last = text.strip().rpartition(":")
    suffix = last.strip().lower()
    if colon and suffix in ("cloud", "local"):
        return bare, Source(suffix)
    if colon and "/" not in last and suffix.endswith("-cloud"):
        return text.strip()[: -len("-cloud")], Source.CLOUD
    return text, Source.UNSAID
