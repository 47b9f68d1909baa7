"""Which models a provider lists, and which of them a hidden Ollama would have run elsewhere.

A server that loads models on demand may list none, or have no list. Then the configured ones are
believed to be there.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue, ListedModel
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.openai.errors import classify_refusal
from llmsvc_server.providers.openai.hidden import (
    HiddenOllama,
    ask_roots,
    hidden_ollama,
    ollama_identity,
)
from llmsvc_server.providers.shared.decoder import Decoder
from llmsvc_server.providers.shared.documents import LOOK_LIMIT_S, read_document
from llmsvc_server.providers.shared.listing import (
    ENTRIES_AT_ONCE,
    MAX_LIST_BYTES,
    LastRead,
    read_list,
)
from llmsvc_server.providers.shared.model_names import is_plain, looks_remote
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound, Shortlist
from llmsvc_server.providers.shared.tags import is_elsewhere, is_reported

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
        return (
            is_reported(self.remote_host)
            or is_reported(self.remote_model)
            or is_elsewhere(self.ollama)
        )


class _Listing(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw] | None


# Together lists without an object around it.
_listing: msgspec.json.Decoder[_Listing | list[msgspec.Raw]] = msgspec.json.Decoder(
    _Listing | list[msgspec.Raw]
)
_known = Decoder(_Entry)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What was read from a provider's list.

    Attributes:
        names: The known models, as the provider spells them.
        asked: What an Ollama knows them by.
        reported: Identities of those that it says to run elsewhere.
        has_any: Whether it lists any model at all.
        left_out: How many entries are about models beyond the bound on them.
    """

    names: Sequence[str] = ()
    asked: frozenset[str | None] = frozenset()
    reported: frozenset[str] = frozenset()
    has_any: bool = False
    left_out: int = 0


class OpenaiModels:
    """Looks at one provider."""

    def __init__(  # noqa: PLR0913  plain settings, by keyword
        self,
        client: HttpClient,
        roots: Sequence[HttpClient],
        *,
        unfinished: Unfinished,
        configured: Collection[str] = (),
        bound: Bound = USUAL_BOUND,
        look_limit_s: float = LOOK_LIMIT_S,
    ) -> None:
        """Look through `client`.

        Args:
            client: The provider.
            roots: Where an Ollama's own interface would be, if a local provider is one; none where
                the provider is not local.
            unfinished: Counts lists while they are read.
            configured: Models that it is asked for although it lists none.
            bound: Which models are known of a long list.
            look_limit_s: Longest wait for the provider's answers, in seconds.
        """
        self._client = client
        self._unfinished = unfinished
        self._configured = configured
        self._roots = roots
        self._max_models = bound.max_models
        self._wanted = frozenset(map(self.identity, (*configured, *bound.wanted)))
        self._look_limit_s = look_limit_s
        self._last: LastRead[Catalogue] = LastRead()
        self._remote: frozenset[str] = frozenset()
        self._reported_remote: frozenset[str] = frozenset()

    async def catalogue(self) -> Catalogue:
        """Return what the provider lists now.

        Raises:
            ProviderError: It cannot be reached in time, or it is no such provider.
        """
        with Tails(self._unfinished) as tails:
            return await self._look(tails)

    async def _look(self, tails: Tails) -> Catalogue:
        try:
            async with asyncio.timeout(self._look_limit_s):
                body = await self._list(tails)
                told = await ask_roots(self._roots, tails)
        except TimeoutError:
            raise ProviderError(ErrorKind.SILENT, phase="connect") from None
        # Reading takes turns with others, so it is no part of the time for answers.
        bodies = [] if body is None else [body]
        bodies += [part for version, tags in told for part in (version.encode(), tags)]
        return await self._last.of(bodies, lambda: self._read(body, told))

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
        is_reported = self.identity(name) in self._reported_remote
        return is_reported or looks_remote(name) or ollama_identity(name) in self._remote

    async def _read(self, body: bytes | None, told: Sequence[tuple[str, bytes]]) -> Catalogue:
        listed = _Listed() if body is None else await self._read_list(body)
        hidden = await hidden_ollama(
            told, listed.asked | set(map(ollama_identity, self._configured))
        )
        self._reported_remote = listed.reported
        if hidden is not None:  # one that once was an Ollama is not trusted more for keeping silent
            self._remote = frozenset(filter(None, hidden.remote.values()))
        remote = {
            self.identity(name) for name in (hidden.remote if hidden else ())
        } | self._reported_remote
        return Catalogue(
            models=await self._local(
                listed.names if listed.has_any else self._choose_believed(hidden), hidden
            ),
            remote=frozenset(filter(None, remote)),
            loaded=None,
            version=hidden.version if hidden else "",
            is_listed=listed.has_any,
            left_out=listed.left_out,
        )

    async def _local(
        self, names: Collection[str], hidden: HiddenOllama | None
    ) -> dict[str, ListedModel]:
        """Return the models that run on the provider itself, by their identities."""
        models: dict[str, ListedModel] = {}
        for at, name in enumerate(names, 1):
            identity = self.identity(name)
            is_known = hidden is None or hidden.vouches_for(name)
            if identity is not None and is_known and not self.leads_outside(name):
                models[identity] = ListedModel(name)
            if at % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
        return models

    def _choose_believed(self, hidden: HiddenOllama | None) -> Collection[str]:
        """Return what a server that lists nothing is asked for; an Ollama lists what it has."""
        if hidden is None:
            return self._configured
        return [name for name in self._configured if ollama_identity(name) in hidden.known]

    async def _list(self, tails: Tails) -> bytes | None:
        """Return the provider's list; None where it has none."""
        response = await self._client.get("/models")
        try:
            if response.status in _NO_LIST and self._configured:
                return None
            classify = partial(classify_refusal, is_local=bool(self._roots))
            return await read_document(response, MAX_LIST_BYTES, tails, classify)
        finally:
            response.close()

    async def _read_list(self, body: bytes) -> _Listed:
        """Return what can be read of a list. Takes turns with others."""
        shortlist = Shortlist(self._max_models, self._wanted)
        names: dict[str, str] = {}
        asked: set[str | None] = set()
        has_any = False
        for entries in read_list(body, "data", _entries):
            for entry in filter(None, map(_known.find, entries)):
                name = entry.id.strip()
                identity = self.identity(name) if is_plain(name) else None
                if identity is None:
                    continue
                has_any = True
                if shortlist.takes(identity, is_remote=entry.is_remote):
                    names[identity] = name
                    asked.add(ollama_identity(name))
            await asyncio.sleep(0)
        return _Listed(
            [names[identity] for identity in shortlist.known],
            frozenset(asked),
            frozenset(shortlist.remote),
            has_any,
            shortlist.left_out,
        )


def _entries(body: bytes) -> Sequence[msgspec.Raw]:
    listing = _listing.decode(body)
    return (listing if isinstance(listing, list) else listing.data) or ()
