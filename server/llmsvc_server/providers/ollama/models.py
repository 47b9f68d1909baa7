"""Which models an Ollama has, which of them are in memory, and what they can do. Runs none.

Source: docs/facts/ollama.md 6.2, 7, 10 and 11.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue, ListedModel
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.response import UpstreamResponse
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.ollama.errors import classify_refusal
from llmsvc_server.providers.ollama.shows import MAX_SHOWN_BYTES, SHOW_LIMIT_S, Shows
from llmsvc_server.providers.shared.decoder import Decoder
from llmsvc_server.providers.shared.documents import LOOK_LIMIT_S, MAX_FACT_BYTES, read_document
from llmsvc_server.providers.shared.listing import MAX_LIST_BYTES, LastRead
from llmsvc_server.providers.shared.model_names import (
    Name,
    ending,
    is_plain,
    looks_remote,
    parse,
    resolve,
)
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound, Shortlist
from llmsvc_server.providers.shared.tags import Facts, read_tags, versions

MEMORY_LIMIT_S = 1.0
"""/api/ps may hang for ten seconds on newer servers, while all is well."""


class _Cloud(msgspec.Struct, frozen=True):
    disabled: bool = False


class _Status(msgspec.Struct, frozen=True):
    cloud: _Cloud = _Cloud()


_status = Decoder(_Status)


class OllamaModels:
    """Looks at one Ollama."""

    def __init__(  # noqa: PLR0913  plain settings, by keyword
        self,
        client: HttpClient,
        *,
        unfinished: Unfinished,
        allows_remote: bool = False,
        bound: Bound = USUAL_BOUND,
        look_limit_s: float = LOOK_LIMIT_S,
        memory_limit_s: float = MEMORY_LIMIT_S,
    ) -> None:
        """Look through `client`.

        Args:
            client: The server.
            unfinished: Counts lists while they are read.
            allows_remote: Whether models that it would have run elsewhere are listed too.
            bound: Which models are known of a long list.
            look_limit_s: Longest wait for the server's answers, in seconds.
            memory_limit_s: Longest wait for what is in memory.
        """
        self._client = client
        self._unfinished = unfinished
        self._allows_remote = allows_remote
        self._max_models = bound.max_models
        self._wanted = frozenset(map(self.identity, bound.wanted))
        self._look_limit_s = look_limit_s
        self._memory_limit_s = memory_limit_s
        self._last_list: LastRead[_Listed] = LastRead()
        self._last_memory: LastRead[Mapping[str, Facts]] = LastRead()
        self._remote: frozenset[str] = frozenset()
        self._digests: Mapping[str, str] = {}
        self._shows = Shows(self._show)
        self._version = ""

    async def catalogue(self) -> Catalogue:
        """Return what the server has now. /api/tags decides whether it is reachable.

        Raises:
            ProviderError: It cannot be reached in time, or it is no Ollama.
        """
        try:
            with Tails(self._unfinished) as tails:
                return await self._look(tails)
        except ProviderError:
            self._version = ""  # Another one may be there when it is back.
            raise

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        model = parse(name) if looks_remote(name) else resolve(name)
        return None if model is None else model.identity

    def leads_outside(self, name: str) -> bool:
        """Return whether the server might have a model run elsewhere."""
        return looks_remote(name) or (bool(self._remote) and self.identity(name) in self._remote)

    def capabilities(self, name: str) -> frozenset[str] | None:
        """Return what a model can do, in Ollama's words; None while nobody knows."""
        digest = self._digests.get(self.identity(name) or "")
        return None if digest is None else self._shows.capabilities(digest)

    async def explore(self) -> None:
        """Find out for ever what the models can do that looks find."""
        await self._shows.explore()

    async def may_forward(self) -> bool:
        """Return whether the server does not say that it can't; before 0.16.2 none could say so.

        Raises:
            ProviderError: It cannot be reached in time.
        """
        end_s = asyncio.get_running_loop().time() + self._look_limit_s
        try:
            with Tails(self._unfinished) as tails:
                body = await self._get("/api/status", MAX_FACT_BYTES, end_s, tails)
            return not _status.decode(body).cloud.disabled
        except ProviderError as error:
            if error.kind in {ErrorKind.CONNECT, ErrorKind.SILENT}:
                raise
            return True

    async def _look(self, tails: Tails) -> Catalogue:
        end_s = asyncio.get_running_loop().time() + self._look_limit_s
        body = await self._get("/api/tags", MAX_LIST_BYTES, end_s, tails)
        if not self._version:
            self._version = await self._ask_version(end_s, tails)
        in_memory = await self._ask_memory(end_s, tails)
        # Reading takes turns with others, so it is no part of the time for answers.
        listed = await self._last_list.of([body], lambda: self._read_list(body))
        self._remote, self._digests = listed.catalogue.remote, listed.digests
        self._shows.want(listed.spellings)
        memory = None if in_memory is None else await self._read_memory(in_memory)
        return replace(
            listed.catalogue,
            loaded=None if memory is None else _find_loaded(listed.digests, memory),
            version=self._version,
        )

    async def _ask_version(self, end_s: float, tails: Tails) -> str:
        try:
            body = await self._get("/api/version", MAX_FACT_BYTES, end_s, tails)
        except ProviderError:
            return ""
        version = versions.find(body)
        return "" if version is None else version.plain

    async def _ask_memory(self, end_s: float, tails: Tails) -> bytes | None:
        """Return the list of what is in memory; None where the server does not say in time."""
        end_s = min(end_s, asyncio.get_running_loop().time() + self._memory_limit_s)
        try:
            return await self._get("/api/ps", MAX_LIST_BYTES, end_s, tails)
        except ProviderError:
            return None

    async def _read_list(self, body: bytes) -> "_Listed":
        models, shortlist = await self._models(body, keeps_remote=self._allows_remote)
        remote = frozenset(shortlist.remote)
        return _Listed(
            Catalogue(
                models={identity: _told(one) for identity, one in models.items()},
                remote=remote,
                loaded=None,
                version="",
                left_out=shortlist.left_out,
            ),
            {name: one.digest for name, one in models.items() if one.digest},
            {
                models[name].digest: models[name].spelling
                for name in sorted(models, key=lambda one: one not in self._wanted)
                if models[name].digest and name not in remote
            },
        )

    async def _read_memory(self, body: bytes) -> Mapping[str, Facts] | None:
        async def read() -> Mapping[str, Facts]:
            models, _ = await self._models(body, keeps_remote=False)
            return models

        try:
            return await self._last_memory.of([body], read)
        except ProviderError:
            return None

    async def _models(
        self, body: bytes, *, keeps_remote: bool
    ) -> tuple[Mapping[str, Facts], Shortlist]:
        """Return the known models of a list by their identities, and how they were chosen.

        A name that is not plain is passed over: its spelling would be shown and logged as it is.
        """
        shortlist = Shortlist(self._max_models, self._wanted, keeps_remote=keeps_remote)
        models: dict[str, Facts] = {}
        endings = {ending(identity) for identity in self._wanted if identity}
        for entries in read_tags(body):
            for entry in filter(None, entries):
                is_remote = entry.is_remote
                if shortlist.is_full and not is_remote and ending(entry.spelling) not in endings:
                    shortlist.left_out += 1  # without its name taken apart, which takes longest
                elif (name := _plain(entry.spelling)) is not None:
                    identity = name.identity
                    if shortlist.takes(identity, is_remote=is_remote or name.runs_remotely):
                        models[identity] = entry.facts
                        endings.add(ending(identity))
            await asyncio.sleep(0)
        return {identity: models[identity] for identity in shortlist.known}, shortlist

    async def _show(self, spelling: str) -> bytes:
        """Return what the server shows of a model.

        Raises:
            ProviderError: It does not, or not in time.
        """
        body = msgspec.json.encode({"model": spelling})
        end_s = asyncio.get_running_loop().time() + SHOW_LIMIT_S
        with Tails(self._unfinished) as tails:
            asking = self._client.post("/api/show", body, may_repeat=True)
            return await self._read(asking, MAX_SHOWN_BYTES, end_s, tails)

    async def _get(self, path: str, max_bytes: int, end_s: float, tails: Tails) -> bytes:
        return await self._read(self._client.get(path), max_bytes, end_s, tails)

    async def _read(
        self, asking: Awaitable[UpstreamResponse], max_bytes: int, end_s: float, tails: Tails
    ) -> bytes:
        try:
            async with asyncio.timeout_at(end_s):
                response = await asking
                try:
                    return await read_document(response, max_bytes, tails, classify_refusal)
                finally:
                    response.close()
        except TimeoutError:
            raise ProviderError(ErrorKind.SILENT, phase="connect") from None


def _plain(spelling: str) -> Name | None:
    """Return a name that can be shown as it is spelt, taken apart."""
    return parse(spelling) if is_plain(spelling) else None


@dataclass(frozen=True, slots=True)
class _Listed:
    """What was read from a list: all but what is in memory, and the known digests by identity.

    `spellings` are by digest, configured models first, without those that run elsewhere.
    """

    catalogue: Catalogue
    digests: Mapping[str, str]
    spellings: Mapping[str, str]


def _told(facts: Facts) -> ListedModel:
    stamp = f"{facts.digest} {facts.modified_at}"
    return ListedModel(facts.spelling, stamp, facts.size_bytes or None)


def _find_loaded(digests: Mapping[str, str], memory: Mapping[str, Facts]) -> Mapping[str, str]:
    """Return what is in memory, by name or, for other names of theirs, by digest; and until when.

    The other names say no such time: a load under one of them is seen under the first.
    """
    there = {one.digest for one in memory.values()}
    by_digest = {identity: "" for identity, digest in digests.items() if digest in there}
    return by_digest | {identity: one.expires_at for identity, one in memory.items()}
