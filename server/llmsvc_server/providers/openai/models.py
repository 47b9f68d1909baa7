"""Which models a provider lists, and which of them a hidden Ollama would have run elsewhere.

An Ollama serves these routes too, and says nothing there of the models that it passes on to its
vendor. So a local provider's root is asked whether it is one (failover.md 10.2).
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from llmsvc_server.errors import (
    CapabilityMissing,
    ContextTooLong,
    ModelNotFound,
    ProviderMisconfigured,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
)
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.answer import Answer
from llmsvc_server.providers.http import Upstream
from llmsvc_server.providers.model_names import is_plain, looks_remote, parse
from llmsvc_server.providers.openai.refused import OK, refusal

MAX_BODY_BYTES = 16 * 1024 * 1024
LOOK_LIMIT_S = 1.8
"""Longest look, all questions together. Whoever wants it waits 2 s (architecture.md 10)."""

_DEFAULT_TAG = ":latest"
_SERVER_FAULTS = range(500, 600)


class _Entry(msgspec.Struct, frozen=True):
    id: str = ""


class _Listing(msgspec.Struct, frozen=True):
    data: list[_Entry] | None


class _Version(msgspec.Struct, frozen=True):
    version: str


class _Tagged(msgspec.Struct, frozen=True):
    model: str = ""
    name: str = ""
    remote_host: object = None
    remote_model: object = None


class _Tags(msgspec.Struct, frozen=True):
    models: list[_Tagged] | None


_T = TypeVar("_T")
_listing = msgspec.json.Decoder(_Listing)
_version = msgspec.json.Decoder(_Version)
_tags = msgspec.json.Decoder(_Tags)

_PLAIN_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}")
"""A version reaches our log, and free text of a server must not."""

UNNAMED = "?"
"""Version of an Ollama whose own word for it is not fit to be shown."""

_ABOUT_A_CHAT = (ModelNotFound, ProviderRejected, CapabilityMissing, ContextTooLong)
"""What no such provider says to a question without a body."""


class OpenaiModels:
    """Looks at one provider."""

    def __init__(
        self, upstream: Upstream, roots: Sequence[Upstream], *, look_limit_s: float = LOOK_LIMIT_S
    ) -> None:
        """Look through `upstream`, at most so many seconds.

        `roots` are where an Ollama's own interface would be, if a local provider is one; none
        where the provider is not local.
        """
        self._upstream = upstream
        self._roots = roots
        self._look_limit_s = look_limit_s
        self._remote: frozenset[str] = frozenset()

    async def catalogue(self) -> Catalogue:
        """Return what the provider lists now.

        Raises:
            ProviderError: It cannot be reached in time, or it is no such provider.
        """
        try:
            async with asyncio.timeout(self._look_limit_s):
                listing = await self._get(self._upstream, "/models", _listing)
                version, remote = await self._ask_roots()
        except TimeoutError:
            raise ProviderTimeout(phase="connect") from None
        if version:  # one that once was an Ollama is not trusted more for keeping silent
            self._remote = frozenset(filter(None, map(_ollama_identity, remote)))
        names = [one.id.strip() for one in listing.data or () if is_plain(one.id.strip())]
        return Catalogue(
            models=dict(self._local(names)),
            remote=frozenset(filter(None, map(self.identity, remote))),
            loaded=None,
            version="" if version == UNNAMED else version,
        )

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if `name` names none.

        Hosted services compare names as they are. Local ones may be an Ollama.
        """
        name = name.strip()
        if self._roots:
            name = name.removesuffix(_DEFAULT_TAG)
        return name or None

    def leads_outside(self, name: str) -> bool:
        """Return whether a local provider might have this model run elsewhere."""
        if not self._roots:
            return False
        return looks_remote(name) or _ollama_identity(name) in self._remote

    def _local(self, names: list[str]) -> Iterator[tuple[str, str]]:
        for name in names:
            identity = self.identity(name)
            if identity is not None and not self.leads_outside(name):
                yield identity, name

    async def _ask_roots(self) -> tuple[str, list[str]]:
        """Return an Ollama's version and the models it has run elsewhere; nothing of others."""
        found, remote = "", []
        for root in self._roots:
            version = await self._ask_version(root)
            if version is None:
                continue
            found = version if _PLAIN_VERSION.fullmatch(version) else UNNAMED
            tags = await self._get(root, "/api/tags", _tags)
            remote += [one.model or one.name for one in tags.models or () if _is_remote(one)]
        return found, remote

    async def _ask_version(self, origin: Upstream) -> str | None:
        """Return the version that an Ollama says; None where another server answers.

        Raises:
            ProviderError: Nobody says, so what follows from it is not known either.
        """
        answer = await origin.get("/api/version")
        try:
            if answer.status in _SERVER_FAULTS:
                raise await refusal(answer, is_local=True)
            if answer.status != OK or answer.content_type != "application/json":
                return None
            return _decoded(await answer.read_all(MAX_BODY_BYTES), _version).version
        except ProviderProtocolError:
            return None
        finally:
            answer.close()

    async def _get(self, upstream: Upstream, path: str, decoder: msgspec.json.Decoder[_T]) -> _T:
        answer = await upstream.get(path)
        try:
            return _decoded(await self._document(answer), decoder)
        finally:
            answer.close()

    async def _document(self, answer: Answer) -> bytes:
        """Return a body that claims to be JSON.

        Raises:
            ProviderError: It does not.
        """
        if answer.status != OK:
            error = await refusal(answer, is_local=bool(self._roots))
            if isinstance(error, _ABOUT_A_CHAT):
                raise ProviderMisconfigured(status=answer.status)
            raise error
        if answer.content_type != "application/json":
            raise ProviderMisconfigured(status=OK)
        return await answer.read_all(MAX_BODY_BYTES)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(body)
    # Nesting without end is a RecursionError, bytes that are no UTF-8 are not a DecodeError.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderProtocolError(row="C08", status=OK) from None


def _ollama_identity(name: str) -> str | None:
    parsed = parse(name)
    return None if parsed is None else parsed.identity


def _is_remote(entry: _Tagged) -> bool:
    """Return whether an Ollama has a model run somewhere else than on its own machine."""
    name = entry.model or entry.name
    return bool(entry.remote_host or entry.remote_model or looks_remote(name))
