"""Names of models as Ollama reads them: what two spellings have in common, and what is remote.

Source: docs/facts/ollama.md 6, from the server's code and recordings of 0.10.1 and 0.24.0.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

MAX_PLAIN_BYTES = 256
"""Longest spelling of a name that is shown as it is."""

_CLOUD_TAG = "cloud"
_CLOUD_ENDING = "-cloud"
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


class Source(StrEnum):
    """What a name says about where the model runs."""

    UNSAID = "unsaid"
    LOCAL = "local"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One model's full name, in the spelling it was given in."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def identity(self) -> str:
        """What all spellings of this name have in common."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}".lower()

    @property
    def runs_remotely(self) -> bool:
        """Whether its tag is one that stubs of the vendor's cloud models have."""
        tag = self.tag.lower()
        return tag == _CLOUD_TAG or tag.endswith(_CLOUD_ENDING)


def split_source(text: str) -> tuple[str, Source]:
    """Return a name without its source suffix, and what that says; cut once, at the end.

    Servers before 0.18 have no such suffixes; no server takes two of them.
    """
    text = text.strip()
    bare, colon, last = text.rpartition(":")
    suffix = last.strip().lower()
    if colon and suffix in {Source.CLOUD, Source.LOCAL}:
        return bare, Source(suffix)
    if colon and "/" not in last and suffix.endswith(_CLOUD_ENDING):
        return text[: -len(_CLOUD_ENDING)], Source.CLOUD
    return text, Source.UNSAID


def parse(text: str) -> Name | None:
    """Return the parts of a name that has no source suffix; None if no model can have it."""
    model, tag = text.strip(), DEFAULT_TAG
    namespace, host = DEFAULT_NAMESPACE, DEFAULT_HOST
    if model.rfind(":") > model.rfind("/"):
        model, _, tag = model.rpartition(":")
    if "/" in model:
        place, _, model = model.rpartition("/")
        before, slash, namespace = place.rpartition("/")
        if slash:
            host = before.partition("://")[2] or before
    fits = (
        _HOST.fullmatch(host)
        and _NAMESPACE.fullmatch(namespace)
        and _PART.fullmatch(model)
        and _PART.fullmatch(tag)
    )
    return Name(host=host, namespace=namespace, model=model, tag=tag) if fits else None


def ending(text: str) -> str:
    """Return model and tag of a name, in lower case, as its identity ends: cheaper than `parse`."""
    last = text.rpartition("/")[2].lower()
    return last if ":" in last else f"{last}:{DEFAULT_TAG}"


def is_plain(text: str) -> bool:
    """Return whether a spelling can be shown as it is: short, and nothing that `parse` drops."""
    return (
        text.isascii()
        and text.isprintable()
        and len(text) <= MAX_PLAIN_BYTES
        and text == text.strip()
        and "://" not in text
    )


def resolve(text: str) -> Name | None:
    """Return the local model that a caller means; None if the name is invalid or a cloud one."""
    bare, source = split_source(text)
    if source is Source.CLOUD or split_source(bare)[1] is not Source.UNSAID:
        return None
    return parse(bare)


def looks_remote(text: str) -> bool:
    """Return whether an Ollama might run this name elsewhere, or be asked to.

    Looks under a first suffix too: what a server makes of two differs by version.
    """
    if _CLOUD_TAG not in text.lower():
        return False
    bare, source = split_source(text)
    return Source.CLOUD in {source, split_source(bare)[1]}
