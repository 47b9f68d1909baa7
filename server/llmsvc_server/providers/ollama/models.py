"""Which models an Ollama has, and which of them are in memory. Runs none.

Source: facts/ollama.md sections 6.2, 7 and 11.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from llmsvc_server.errors import (
    CapabilityMissing,
    ContextTooLong,
    ModelNotFound,
    ProviderError,
    ProviderMisconfigured,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
)
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.answer import Answer
from llmsvc_server.providers.http import Upstream
from llmsvc_server.providers.model_names import Name, is_plain, looks_remote, parse, wanted
from llmsvc_server.providers.ollama.refused import OK, refusal
from llmsvc_server.providers.tags import Entry, read_tags
from llmsvc_server.providers.untyped import UNREADABLE, text_of

MAX_BODY_BYTES = 16 * 1024 * 1024
LOOK_LIMIT_S = 1.8
"""Longest look, all questions together. Whoever wants it waits 2 s (architecture.md 10)."""

MEMORY_LIMIT_S = 1.0
"""/api/ps may hang for ten seconds on newer servers, while all is well."""


class _Version(msgspec.Struct, frozen=True):
    version: str


class _Cloud(msgspec.Struct, frozen=True):
    disabled: bool = False


class _Status(msgspec.Struct, frozen=True):
    cloud: _Cloud = _Cloud()


_T = TypeVar("_T")
_version = msgspec.json.Decoder(_Version)
_status = msgspec.json.Decoder(_Status)

_PLAIN_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}")
"""A version reaches our log, and free text of a server must not."""

_ABOUT_A_CHAT = (ModelNotFound, ProviderRejected, CapabilityMissing, ContextTooLong)
"""What no Ollama says to a question without a body."""


class OllamaModels:
    """Looks at one Ollama."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        allows_remote: bool = False,
        look_limit_s: float = LOOK_LIMIT_S,
        memory_limit_s: float = MEMORY_LIMIT_S,
    ) -> None:
        """Look through `upstream`, at most so many seconds, and so many for what is in memory.

        With `allows_remote`, models that the server would have run elsewhere are listed too.
        """
        self._upstream = upstream
        self._allows_remote = allows_remote
        self._remote: frozenset[str] = frozenset()
        self._look_limit_s = look_limit_s
        self._memory_limit_s = memory_limit_s
        self._version = ""

    async def catalogue(self) -> Catalogue:
        """Return what the server has now. /api/tags decides whether it is reachable.

        Raises:
            ProviderError: It cannot be reached in time, or it is no Ollama.
        """
        end_s = asyncio.get_running_loop().time() + self._look_limit_s
        try:
            listed, _ = await self._get("/api/tags", read_tags, end_s)
        except ProviderError:
            self._version = ""  # Another one may be there when it is back.
            raise
        if not self._version:
            self._version = await self._ask_version(end_s)
        named = list(_named(listed))
        self._remote = frozenset(name.identity for name, entry in named if _is_remote(name, entry))
        shown = [
            (name, entry)
            for name, entry in named
            if self._allows_remote or name.identity not in self._remote
        ]
        memory = await self._ask_memory(end_s)
        return Catalogue(
            models={name.identity: entry.spelling for name, entry in reversed(shown)},
            remote=self._remote,
            loaded=None if memory is None else _in_memory(shown, memory),
            stamps={
                name.identity: f"{text_of(entry.digest)} {text_of(entry.modified_at)}"
                for name, entry in named
            },
            sizes_bytes={
                name.identity: size for name, entry in named if (size := entry.size_bytes)
            },
            busy_until={name.identity: text_of(entry.expires_at) for name, entry in memory or ()},
            version=self._version,
        )

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        model = parse(name) if looks_remote(name) else wanted(name)
        return None if model is None else model.identity

    def leads_outside(self, name: str) -> bool:
        """Return whether the server might have a model run elsewhere."""
        return looks_remote(name) or (bool(self._remote) and self.identity(name) in self._remote)

    async def may_forward(self) -> bool:
        """Return whether the server does not say that it can't; before 0.16.2 none could say so.

        Raises:
            ProviderError: It cannot be reached in time.
        """
        end_s = asyncio.get_running_loop().time() + self._look_limit_s
        try:
            return not (await self._get("/api/status", _status.decode, end_s)).cloud.disabled
        except (ProviderUnreachable, ProviderTimeout):
            raise
        except ProviderError:
            return True

    async def _ask_version(self, end_s: float) -> str:
        try:
            version = (await self._get("/api/version", _version.decode, end_s)).version
        except ProviderError:
            return ""
        return version if _PLAIN_VERSION.fullmatch(version) else ""

    async def _ask_memory(self, end_s: float) -> list[tuple[Name, Entry]] | None:
        """Return what is in memory; None where the server does not say in time."""
        end_s = min(end_s, asyncio.get_running_loop().time() + self._memory_limit_s)
        try:
            listed, _ = await self._get("/api/ps", read_tags, end_s)
        except ProviderError:
            return None
        return [(name, entry) for name, entry in _named(listed) if not _is_remote(name, entry)]

    async def _get(self, path: str, read: Callable[[bytes], _T], end_s: float) -> _T:
        try:
            async with asyncio.timeout_at(end_s):
                answer = await self._upstream.get(path)
                try:
                    return read(await _document(answer))
                finally:
                    answer.close()
        except TimeoutError:
            raise ProviderTimeout(phase="connect") from None
        except UNREADABLE:
            raise ProviderProtocolError(row="C08", status=OK) from None


async def _document(answer: Answer) -> bytes:
    """Return a body that claims to be JSON.

    Raises:
        ProviderError: It does not.
    """
    if answer.status != OK:
        error = await refusal(answer)
        if isinstance(error, _ABOUT_A_CHAT):
            raise ProviderMisconfigured(status=answer.status)
        raise error
    if answer.content_type != "application/json":
        raise ProviderMisconfigured(status=OK)
    return await answer.read_all(MAX_BODY_BYTES)


def _in_memory(
    listed: Iterable[tuple[Name, Entry]], memory: Iterable[tuple[Name, Entry]]
) -> frozenset[str]:
    """Return the identities in memory, by name or, for other names of theirs, by digest."""
    digests = {digest for _, entry in memory if (digest := text_of(entry.digest))}
    by_name = {name.identity for name, _ in memory}
    by_digest = {name.identity for name, entry in listed if text_of(entry.digest) in digests}
    return frozenset(by_name | by_digest)


def _named(entries: Iterable[Entry]) -> Iterator[tuple[Name, Entry]]:
    """Yield the models with their names taken apart.

    A name that is not plain is passed over: its spelling would be shown and logged as it is.
    """
    for entry in entries:
        if not is_plain(entry.spelling):
            continue
        name = parse(entry.spelling)
        if name is not None:
            yield name, entry


def _is_remote(name: Name, entry: Entry) -> bool:
    """Return whether a model runs somewhere else than on the server itself."""
    return name.runs_remotely or entry.is_remote
