"""Which models an Ollama has, and which of them are in memory. Runs none.

Source: facts/ollama.md sections 6.2, 7 and 11.
"""

import asyncio
import re
from collections.abc import Iterable
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
)
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.answer import Answer
from llmsvc_server.providers.http import Upstream
from llmsvc_server.providers.ollama.names import Name, is_plain, parse
from llmsvc_server.providers.ollama.refused import OK, refusal

MAX_BODY_BYTES = 16 * 1024 * 1024
LOOK_LIMIT_S = 1.8
"""Longest look, all questions together. Whoever wants it waits 2 s (architecture.md 10)."""

MEMORY_LIMIT_S = 1.0
"""/api/ps may hang for ten seconds on newer servers, while all is well."""


class _Entry(msgspec.Struct, frozen=True):
    model: str = ""
    digest: str = ""
    remote_host: str | None = None
    remote_model: str | None = None


class _Listing(msgspec.Struct, frozen=True):
    models: list[_Entry] | None


class _Version(msgspec.Struct, frozen=True):
    version: str


_T = TypeVar("_T")
_listing = msgspec.json.Decoder(_Listing)
_version = msgspec.json.Decoder(_Version)

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
        look_limit_s: float = LOOK_LIMIT_S,
        memory_limit_s: float = MEMORY_LIMIT_S,
    ) -> None:
        """Look through `upstream`, at most so many seconds, and so many for what is in memory."""
        self._upstream = upstream
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
            listing = await self._get("/api/tags", _listing, end_s)
        except ProviderError:
            self._version = ""  # Another one may be there when it is back.
            raise
        if not self._version:
            self._version = await self._ask_version(end_s)
        entries = list(_local(listing.models or []))
        return Catalogue(
            models={name.identity: entry.model for name, entry in reversed(entries)},
            loaded=await self._ask_loaded(entries, end_s),
            version=self._version,
        )

    async def _ask_version(self, end_s: float) -> str:
        try:
            version = (await self._get("/api/version", _version, end_s)).version
        except ProviderError:
            return ""
        return version if _PLAIN_VERSION.fullmatch(version) else ""

    async def _ask_loaded(
        self, entries: Iterable[tuple[Name, _Entry]], end_s: float
    ) -> frozenset[str] | None:
        """Return the identities in memory, by name or, for other names of theirs, by digest."""
        end_s = min(end_s, asyncio.get_running_loop().time() + self._memory_limit_s)
        try:
            listing = await self._get("/api/ps", _listing, end_s)
        except ProviderError:
            return None
        running = list(_local(listing.models or []))
        digests = {entry.digest for _, entry in running if entry.digest}
        by_name = {name.identity for name, _ in running}
        by_digest = {name.identity for name, entry in entries if entry.digest in digests}
        return frozenset(by_name | by_digest)

    async def _get(self, path: str, decoder: msgspec.json.Decoder[_T], end_s: float) -> _T:
        try:
            async with asyncio.timeout_at(end_s):
                answer = await self._upstream.get(path)
                try:
                    return decoder.decode(await _document(answer))
                finally:
                    answer.close()
        except TimeoutError:
            raise ProviderTimeout(phase="connect") from None
        # Nesting without end is a RecursionError, bytes that are no UTF-8 are not a DecodeError.
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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


def _local(entries: Iterable[_Entry]) -> Iterable[tuple[Name, _Entry]]:
    """Yield the models that run on the server itself, with their names taken apart.

    A name that is not plain is passed over: its spelling would be shown and logged as it is.
    """
    for entry in entries:
        if not is_plain(entry.model):
            continue
        name = parse(entry.model)
        if name is None or name.runs_remotely or entry.remote_host or entry.remote_model:
            continue
        yield name, entry
