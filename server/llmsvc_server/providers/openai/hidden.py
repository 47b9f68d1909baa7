"""Whether a local server of OpenAI's routes is an Ollama, and what that one runs elsewhere.

An Ollama serves these routes too, and says nothing there of the models that it passes on to its
vendor. So a local provider's root is asked whether it is one (docs/privacy.md 2). A version alone
proves none: llama-swap and Open WebUI tell theirs at the same place. A list of models does. What
denies that there is one proves the contrary; a server that fails, cuts its answer or wants to be
asked later says neither, and then nobody knows.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.openai.errors import classify_local_refusal
from llmsvc_server.providers.shared.documents import JSON, MAX_FACT_BYTES
from llmsvc_server.providers.shared.listing import MAX_LIST_BYTES
from llmsvc_server.providers.shared.model_names import ending, parse
from llmsvc_server.providers.shared.refusal import OK, error_from_response
from llmsvc_server.providers.shared.shortlist import MAX_REMOTE
from llmsvc_server.providers.shared.tags import Entry, Version, read_tags
from llmsvc_server.providers.shared.untyped import UNREADABLE

_NOT_IMPLEMENTED = 501
_ASK_LATER = frozenset({408, 425, 429})
_REDIRECTS = range(300, 400)
_DENIALS = frozenset({*range(400, 500), _NOT_IMPLEMENTED}) - _ASK_LATER

_version = msgspec.json.Decoder(Version)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenOllama:
    """What an Ollama tells that serves a local provider's routes.

    Attributes:
        version: Its version; empty where its own word for it is not fit to be shown.
        remote: Name of each model that it has run elsewhere -> its identity, None if it has none.
        known: Identities of those models that it was asked about and tells of.
        tells_all: Whether every entry of its list could be read.
    """

    version: str
    remote: Mapping[str, str | None]
    known: frozenset[str]
    tells_all: bool

    def vouches_for(self, name: str) -> bool:
        """Return whether a model is one that its list tells of, as far as that could be read."""
        return self.tells_all or ollama_identity(name) in self.known


async def ask_roots(roots: Iterable[HttpClient], tails: Tails) -> Sequence[tuple[str, bytes]]:
    """Return version and list of each Ollama at one of `roots`; none where other servers answer.

    Raises:
        ProviderError: Nobody says, so what follows from it is not known either.
    """
    told: list[tuple[str, bytes]] = []
    for root in roots:
        version = await _ask_version(root, tails)
        body = None
        if version is not None:
            body = await _document(root, "/api/tags", _DENIALS, MAX_LIST_BYTES, tails)
        if version is not None and body is not None:
            told.append((version, body))
    return told


async def hidden_ollama(
    told: Sequence[tuple[str, bytes]], models: Collection[str | None]
) -> HiddenOllama | None:
    """Return what an Ollama tells; None where there is none. Takes turns with others.

    Args:
        told: What `ask_roots` returned.
        models: Identities of the models that are asked about.

    Raises:
        ProviderError: PROTOCOL. It is no list, or none that an Ollama has.
    """
    if not told:
        return None
    found = _Found(models)
    for _, body in told:
        for entries in read_tags(body):
            found.add(entries)
            await asyncio.sleep(0)
    return HiddenOllama(
        version=told[-1][0],
        remote=found.remote,
        known=frozenset(found.known),
        tells_all=found.tells_all,
    )


class _Found:
    """What has been read of an Ollama's lists; see `HiddenOllama`."""

    def __init__(self, models: Collection[str | None]) -> None:
        self._models = models
        self._endings = {ending(model) for model in models if model}
        self.remote: dict[str, str | None] = {}
        self.known: set[str] = set()
        self.tells_all = True

    def add(self, entries: Iterable[Entry | None]) -> None:
        for entry in entries:
            if entry is None:
                self.tells_all = False
                continue
            is_remote = entry.is_remote
            if not is_remote and ending(entry.spelling) not in self._endings:
                continue  # without its name taken apart, which takes longest
            identity = ollama_identity(entry.spelling)
            if is_remote:
                self.remote[entry.spelling] = identity
            if identity is not None and identity in self._models:
                self.known.add(identity)
        if len(self.remote) > MAX_REMOTE:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=OK)


def ollama_identity(name: str) -> str | None:
    """Return what an Ollama knows a model by; None if no model can have that name."""
    parsed = parse(name)
    return None if parsed is None else parsed.identity


async def _ask_version(root: HttpClient, tails: Tails) -> str | None:
    denials = _DENIALS | frozenset(_REDIRECTS)
    body = await _document(root, "/api/version", denials, MAX_FACT_BYTES, tails)
    if body is None:
        return None
    try:
        return _version.decode(body).plain
    except msgspec.ValidationError:  # JSON of another shape
        return None
    except UNREADABLE:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=OK) from None


async def _document(
    root: HttpClient, path: str, denials: frozenset[int], max_bytes: int, tails: Tails
) -> bytes | None:
    """Return a JSON document; None where the server has another page there, or none."""
    response = await root.get(path)
    try:
        if response.status in denials:
            return None
        if response.status != OK:
            raise await error_from_response(response, classify_local_refusal)
        if response.content_type != JSON:
            return None
        return await response.read_all(max_bytes, tails)
    finally:
        response.close()
