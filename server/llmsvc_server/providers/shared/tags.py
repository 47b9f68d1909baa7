"""An Ollama's list of models in bytes, entry by entry: an odd one costs nobody else. Pure.

Source: docs/facts/ollama.md 6.2, 7 and 10. Servers that pass for an Ollama write sizes as texts
and leave keys out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from llmsvc_server.providers.shared.decoder import Decoder
from llmsvc_server.providers.shared.listing import read_list
from llmsvc_server.providers.shared.model_names import looks_remote
from llmsvc_server.providers.shared.untyped import text_of

_MAX_BYTES = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of one model: texts that are empty, and a size on disk that is 0, if untold."""

    spelling: str
    digest: str
    modified_at: str
    expires_at: str
    size_bytes: int


class Entry(msgspec.Struct, frozen=True):
    """One model as a server tells of it. Anything may be in these fields."""

    model: object = None
    name: object = None
    digest: object = None
    modified_at: object = None
    expires_at: object = None
    size: object = None
    remote_host: object = None
    remote_model: object = None

    @property
    def spelling(self) -> str:
        """How the server calls it; empty if it does not."""
        return text_of(self.model) or text_of(self.name)

    @property
    def size_bytes(self) -> int:
        """Its size on disk; 0 if that is not told as a number."""
        size = self.size
        if isinstance(size, bool) or not isinstance(size, int | float):
            return 0
        return int(size) if 0 < size <= _MAX_BYTES else 0

    @property
    def facts(self) -> Facts:
        """All of it that is worth keeping. The rest may be of any size and shape."""
        return Facts(
            self.spelling,
            text_of(self.digest),
            text_of(self.modified_at),
            text_of(self.expires_at),
            self.size_bytes,
        )

    @property
    def is_remote(self) -> bool:
        """Whether it says, in whatever form, that it runs somewhere else than on the server."""
        places = (self.remote_host, self.remote_model)
        names = (text_of(self.model), text_of(self.name))
        return any(map(is_reported, places)) or any(map(looks_remote, names))


class Version(msgspec.Struct, frozen=True):
    """What `/api/version` says."""

    version: str

    @property
    def plain(self) -> str:
        """The version as it may be shown: it reaches our log, and free text of a server must not."""
        return self.version if _PLAIN_VERSION.fullmatch(self.version) else ""


class _Listing(msgspec.Struct, frozen=True):
    models: list[msgspec.Raw] | None


_listing = msgspec.json.Decoder(_Listing)
_entries = Decoder(Entry)
versions = Decoder(Version)
"""Decodes what `/api/version` says."""

_PLAIN_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}")


def read_tags(body: bytes) -> Iterator[Sequence[Entry | None]]:
    """Yield the models of a list, some at a time; None for each that can't be read or named.

    Args:
        body: What `/api/tags` or `/api/ps` answered.

    Raises:
        ProviderError: PROTOCOL. It is no such list.
    """
    for entries in read_list(body, "models", _list_entries):
        yield list(map(_read, entries))


def is_reported(value: object) -> bool:
    """Return whether a place to run a model is told: what is none must be known to be none."""
    return value is not None and value != ""


def is_elsewhere(fields: object) -> bool:
    """Return whether an object, if it is one, tells a place to run a model."""
    if not isinstance(fields, Mapping):
        return False
    return any(is_reported(fields.get(key)) for key in ("remote_host", "remote_model"))


def _list_entries(body: bytes) -> Sequence[msgspec.Raw]:
    return _listing.decode(body).models or ()


def _read(raw: msgspec.Raw) -> Entry | None:
    entry = _entries.find(raw)
    return None if entry is None or not entry.spelling else entry
