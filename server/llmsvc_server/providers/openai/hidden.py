"""Whether a local server of OpenAI's routes is an Ollama, and what that one runs elsewhere.

An Ollama serves these routes too, and says nothing there of the models that it passes on to its
vendor. So a local provider's root is asked whether it is one (failover.md 10.2). A version alone
proves none: llama-swap and Open WebUI tell theirs at the same place. A list of models does. What
denies that there is one proves the contrary; a server that fails, cuts its answer or wants to be
asked later says neither, and then nobody knows.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from llmsvc_server.errors import ProviderProtocolError
from llmsvc_server.providers.http import Upstream
from llmsvc_server.providers.model_names import parse
from llmsvc_server.providers.openai.refused import OK, refusal
from llmsvc_server.providers.tags import Entry, read_tags
from llmsvc_server.providers.untyped import UNREADABLE

MAX_BODY_BYTES = 16 * 1024 * 1024

_NOT_IMPLEMENTED = 501
_ASK_LATER = frozenset({408, 425, 429})
_REDIRECTS = range(300, 400)
_DENIALS = frozenset({*range(400, 500), _NOT_IMPLEMENTED}) - _ASK_LATER
_PLAIN_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}")
"""A version reaches our log, and free text of a server must not."""


class _Version(msgspec.Struct, frozen=True):
    version: str


_version = msgspec.json.Decoder(_Version)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenOllama:
    """What an Ollama tells that serves a local provider's routes.

    Attributes:
        version: Its version; empty where its own word for it is not fit to be shown.
        remote: Names of the models that it has run elsewhere.
        known: Identities of all models that it tells of.
        tells_all: Whether every entry of its list could be read.
    """

    version: str
    remote: Sequence[str]
    known: frozenset[str]
    tells_all: bool

    def vouches_for(self, name: str) -> bool:
        """Return whether a model is one that its list tells of, as far as that could be read."""
        return self.tells_all or ollama_identity(name) in self.known


async def hidden_ollama(roots: Iterable[Upstream]) -> HiddenOllama | None:
    """Return the Ollama at one of `roots`; None where another server answers.

    Raises:
        ProviderError: Nobody says, so what follows from it is not known either.
    """
    found: HiddenOllama | None = None
    for root in roots:
        version = await _ask_version(root)
        body = None if version is None else await _document(root, "/api/tags", _DENIALS)
        if version is None or body is None:
            continue
        entries, is_odd = read_tags(body)
        before = found.remote if found else ()
        found = HiddenOllama(
            version=version if _PLAIN_VERSION.fullmatch(version) else "",
            remote=[*before, *(entry.spelling for entry in entries if entry.is_remote)],
            known=_identities(entries) | (found.known if found else frozenset()),
            tells_all=not is_odd and (found is None or found.tells_all),
        )
    return found


def ollama_identity(name: str) -> str | None:
    """Return what an Ollama knows a model by; None if no model can have that name."""
    parsed = parse(name)
    return None if parsed is None else parsed.identity


def _identities(entries: Iterable[Entry]) -> frozenset[str]:
    names = (ollama_identity(entry.spelling) for entry in entries)
    return frozenset(name for name in names if name is not None)


async def _ask_version(root: Upstream) -> str | None:
    body = await _document(root, "/api/version", _DENIALS | frozenset(_REDIRECTS))
    if body is None:
        return None
    try:
        return _version.decode(body).version
    except msgspec.ValidationError:  # JSON of another shape
        return None
    except UNREADABLE:
        raise ProviderProtocolError(row="C08", status=OK) from None


async def _document(root: Upstream, path: str, denials: frozenset[int]) -> bytes | None:
    """Return a JSON document; None where the server has another page there, or none."""
    answer = await root.get(path)
    try:
        if answer.status in denials:
            return None
        if answer.status != OK:
            raise await refusal(answer, is_local=True)
        if answer.content_type != "application/json":
            return None
        return await answer.read_all(MAX_BODY_BYTES)
    finally:
        answer.close()
