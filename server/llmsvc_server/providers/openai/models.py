"""Which models a provider lists, and which of them a hidden Ollama would have run elsewhere.

A server that loads models on demand may list none, or have no list. Then the configured ones are
believed to be there.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence

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
from llmsvc_server.providers.model_names import is_plain, looks_remote
from llmsvc_server.providers.openai.hidden import (
    MAX_BODY_BYTES,
    HiddenOllama,
    hidden_ollama,
    ollama_identity,
)
from llmsvc_server.providers.openai.refused import OK, refusal
from llmsvc_server.providers.tags import is_elsewhere, is_told
from llmsvc_server.providers.untyped import UNREADABLE

LOOK_LIMIT_S = 1.8
"""Longest look, all questions together. Whoever wants it waits 2 s (architecture.md 10)."""

_DEFAULT_TAG = ":latest"
_NO_LIST = frozenset({404, 405, 501})


class _Entry(msgspec.Struct, frozen=True):
    """One model, with what an Ollama or Open WebUI in front of one may tell of it."""

    id: str
    remote_host: object = None
    remote_model: object = None
    ollama: object = None

    @property
    def is_remote(self) -> bool:
        """Whether it says that it runs somewhere else."""
        return is_told(self.remote_host) or is_told(self.remote_model) or is_elsewhere(self.ollama)


class _Listing(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw] | None


# Together lists without an object around it.
_listing: msgspec.json.Decoder[_Listing | list[msgspec.Raw]] = msgspec.json.Decoder(
    _Listing | list[msgspec.Raw]
)
_entry = msgspec.json.Decoder(_Entry)

_ABOUT_A_CHAT = (ModelNotFound, ProviderRejected, CapabilityMissing, ContextTooLong)
"""What no such provider says to a question without a body."""


class OpenaiModels:
    """Looks at one provider."""

    def __init__(
        self,
        upstream: Upstream,
        roots: Sequence[Upstream],
        *,
        configured: Collection[str] = (),
        look_limit_s: float = LOOK_LIMIT_S,
    ) -> None:
        """Look through `upstream`, at most so many seconds.

        `roots` are where an Ollama's own interface would be, if a local provider is one; none
        where the provider is not local. `configured` are the models that it is asked for although
        it lists none.
        """
        self._upstream = upstream
        self._configured = configured
        self._roots = roots
        self._look_limit_s = look_limit_s
        self._remote: frozenset[str] = frozenset()
        self._told: frozenset[str | None] = frozenset()

    async def catalogue(self) -> Catalogue:
        """Return what the provider lists now.

        Raises:
            ProviderError: It cannot be reached in time, or it is no such provider.
        """
        try:
            async with asyncio.timeout(self._look_limit_s):
                entries = await self._listed()
                hidden = await hidden_ollama(self._roots)
        except TimeoutError:
            raise ProviderTimeout(phase="connect") from None
        names = [entry.id.strip() for entry in entries]
        self._told = frozenset(
            self.identity(name)
            for name, entry in zip(names, entries, strict=True)
            if entry.is_remote
        )
        if hidden is not None:  # one that once was an Ollama is not trusted more for keeping silent
            self._remote = frozenset(filter(None, map(ollama_identity, hidden.remote)))
        remote = {self.identity(name) for name in (hidden.remote if hidden else ())} | self._told
        return Catalogue(
            models=dict(self._local(names or self._believed(hidden), hidden)),
            remote=frozenset(filter(None, remote)),
            loaded=None,
            version=hidden.version if hidden else "",
            is_listed=bool(names),
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
        is_told = self.identity(name) in self._told
        return is_told or looks_remote(name) or ollama_identity(name) in self._remote

    def _local(
        self, names: Collection[str], hidden: HiddenOllama | None
    ) -> Iterator[tuple[str, str]]:
        for name in names:
            identity = self.identity(name)
            is_known = hidden is None or hidden.vouches_for(name)
            if identity is not None and is_known and not self.leads_outside(name):
                yield identity, name

    def _believed(self, hidden: HiddenOllama | None) -> Collection[str]:
        """Return what a server that lists nothing is asked for; an Ollama lists what it has."""
        if hidden is None:
            return self._configured
        return [name for name in self._configured if ollama_identity(name) in hidden.known]

    async def _listed(self) -> Sequence[_Entry]:
        """Return what can be read of the provider's list; nothing where it has none."""
        answer = await self._upstream.get("/models")
        try:
            if answer.status in _NO_LIST and self._configured:
                return ()
            body = await self._document(answer)
        finally:
            answer.close()
        try:
            listing = _listing.decode(body)
        except UNREADABLE:
            raise ProviderProtocolError(row="C08", status=OK) from None
        listed = listing if isinstance(listing, list) else listing.data
        entries = filter(None, map(_read, listed or ()))
        return [one for one in entries if one.id.strip() and is_plain(one.id.strip())]

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


def _read(raw: msgspec.Raw) -> _Entry | None:
    """Return an entry; None where it can't be read, which costs the others nothing."""
    try:
        return _entry.decode(raw)
    except UNREADABLE:
        return None
