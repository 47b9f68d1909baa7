"""What the models of an Ollama can do, asked one by one behind the looks at its list.

Source: docs/facts/ollama.md 11. Nothing is run or loaded for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any

import msgspec

from llmsvc_server.errors import ProviderError, let_go
from llmsvc_server.providers.shared.decoder import Decoder

MAX_REMEMBERED = 2_000
"""How many models are asked about, and how many are remembered that are not listed any more."""

MAX_SHOWN_BYTES = 1024 * 1024
"""Longest document about one model: licence, template, and a line for each tensor."""

SHOW_LIMIT_S = 10.0
"""Longest wait for one: nobody waits for it."""

FORGET_S = 300.0
"""How long a model that could not be asked about is left alone."""

_MAX_CAPABILITIES = 32
_LETTERS = 64

Ask = Callable[[str], Awaitable[bytes]]


class _Shown(msgspec.Struct, frozen=True):
    capabilities: object = None


_shown = Decoder(_Shown)


class Shows:
    """Remembers what models can do, by digest: a name may stand for another model tomorrow."""

    def __init__(self, ask: Ask) -> None:
        """Know nothing.

        Args:
            ask: Returns what the server shows of a model that it spells so, or raises a
                `ProviderError`.
        """
        self._ask = ask
        self._known: dict[str, frozenset[str] | None] = {}
        self._left_alone: dict[str, float] = {}
        self._wanted: Mapping[str, str] = {}
        self._news = asyncio.Event()

    def capabilities(self, digest: str) -> frozenset[str] | None:
        """Return what a model can do, in Ollama's words; None while nobody knows."""
        return self._known.get(digest)

    def want(self, spellings: Mapping[str, str]) -> None:
        """Have `explore` ask about the models that are not known: by digest, the first ones first."""
        self._wanted = spellings
        self._news.set()

    async def explore(self) -> None:
        """Ask for ever about what is wanted, one model at a time."""
        while True:
            await self._news.wait()
            self._news.clear()
            for digest, spelling in islice(self._wanted.items(), MAX_REMEMBERED):
                if self._is_open(digest):
                    await self._learn(digest, spelling)
                if self._news.is_set():
                    break  # another list: what is not in it is not asked about

    def _is_open(self, digest: str) -> bool:
        if digest in self._known:
            return False
        now_s = asyncio.get_running_loop().time()
        return self._left_alone.get(digest, now_s) <= now_s

    async def _learn(self, digest: str, spelling: str) -> None:
        try:
            shown = _shown.decode(await self._ask(spelling))
        except ProviderError as error:
            let_go(error)
            self._make_room(self._left_alone)
            self._left_alone[digest] = asyncio.get_running_loop().time() + FORGET_S
            return
        self._make_room(self._known)
        self._known[digest] = _words(shown.capabilities)

    def _make_room(self, remembered: dict[str, Any]) -> None:
        """Forget what the list does not name, where there is much; it is bounded itself."""
        if len(remembered) >= MAX_REMEMBERED:
            for digest in remembered.keys() - self._wanted.keys():
                del remembered[digest]


def _words(value: object) -> frozenset[str] | None:
    """Return capabilities as the server lists them; None where it lists none, as old ones do."""
    if not isinstance(value, list):
        return None
    words = [one for one in value[:_MAX_CAPABILITIES] if isinstance(one, str)]
    return frozenset(one for one in words if len(one) <= _LETTERS)
