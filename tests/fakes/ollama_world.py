"""How the models of a fake Ollama come into memory and are shared.

Source: docs/facts/ollama.md 7 and 8.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from llmsvc_server.chat.deadline import Clock
from tests.fakes.gate import Gate
from tests.fakes.ollama_checks import Asked, Generation, Refused
from tests.fakes.ollama_disk import Disk, Model, identity_of
from tests.fakes.ollama_names import Name
from tests.fakes.ollama_record import Exchange, Load, Phase

_RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread")
_DEFAULT_WINDOW = 4096
_KEEP_ALIVE_S = 300.0


@dataclass(slots=True, kw_only=True)
class Loaded:
    """One model in memory. `users` are the chats that run or wait for a slot."""

    model: Model
    window_tokens: int
    runner: tuple[object, ...]
    slots: asyncio.Semaphore
    keep_alive_s: float
    expires_at_s: float = math.inf
    users: int = 0
    ending: bool = False
    unused: asyncio.Event = field(default_factory=asyncio.Event)


class World(Disk):
    """The models on disk and those of them in memory: one load at a time, slots per model.

    Attributes:
        load_gate: Where set, every load waits there.
        load_error: Where set, every load fails with this status and text.
        bytes_per_token: How prompts are counted; 1 in the models of the recordings.
        loads_started, loads_finished, loads_aborted, reloads, unloads: Counters.
    """

    def __init__(
        self, *, generation: Generation, clock: Clock, num_parallel: int, max_queue: int
    ) -> None:
        """Have nothing yet."""
        super().__init__(generation)
        self._clock = clock
        self._num_parallel = num_parallel
        self._max_queue = max_queue
        self._loaded: dict[Name, Loaded] = {}
        self._loading: Model | None = None
        self._one_load = asyncio.Lock()
        self._pending = 0
        self.load_gate: Gate | None = None
        self.load_error: tuple[int, str] | None = None
        self.bytes_per_token = 4
        self.loads_started = 0
        self.loads_finished = 0
        self.loads_aborted = 0
        self.reloads = 0
        self.unloads = 0

    def put_in_memory(self, name: str, *, num_ctx: int | None = None) -> None:
        """Have a model loaded, as if a chat with that `num_ctx` had been before."""
        identity = identity_of(name)
        options = {} if num_ctx is None else {"num_ctx": num_ctx}
        self._loaded[identity] = self._fresh(self._models[identity], options)

    def in_memory(self) -> tuple[Loaded, ...]:
        """What /api/ps shows, latest expiry first."""
        self._forget_expired()
        shown = sorted(self._loaded.values(), key=lambda one: one.expires_at_s, reverse=True)
        if self._generation is Generation.OLDEST and self._loading is not None:
            shown.append(self._fresh(self._loading, {}))
        return tuple(shown)

    def remaining_s(self, loaded: Loaded) -> float:
        """Seconds until it leaves memory."""
        return loaded.expires_at_s - self._clock()

    async def load(self, exchange: Exchange, model: Model, asked: Asked) -> Loaded:
        """Return the model in memory, loading it if needed; the load ends with this task.

        Raises:
            Refused: 503 with a full queue, or the load's error.
        """
        fitting = self._fitting(model, asked)
        if fitting is not None:
            return fitting
        if self._pending >= self._max_queue:
            raise Refused(503, "server busy, please try again.  maximum pending requests exceeded")
        self._pending += 1
        try:
            async with self._one_load:
                exchange.load = Load.JOINED
                return self._fitting(model, asked) or await self._load(exchange, model, asked)
        finally:
            self._pending -= 1

    @asynccontextmanager
    async def slot(self, exchange: Exchange, model: Model, asked: Asked) -> AsyncIterator[Loaded]:
        """Hold one of the model's slots; waits for it in order, without limit.

        Raises:
            Refused: As `load`.
        """
        loaded = await self.load(exchange, model, asked)
        loaded.users += 1
        loaded.unused.clear()
        exchange.phase = Phase.QUEUED
        try:
            async with loaded.slots:
                exchange.phase = Phase.BEFORE_FIRST_TOKEN
                yield loaded
        finally:
            loaded.users -= 1
            self._keep(loaded, asked)

    def touch(self, loaded: Loaded, asked: Asked) -> None:
        """Start the timer of its stay anew, as a load request does."""
        self._keep(loaded, asked)

    def unload(self, model: Model) -> None:
        """Take a model out of memory, once its running work is finished."""
        loaded = self._loaded.get(identity_of(model.name))
        if loaded is not None:
            loaded.ending = True
            self._settle(loaded)

    def _fitting(self, model: Model, asked: Asked) -> Loaded | None:
        self._forget_expired()
        loaded = self._loaded.get(identity_of(model.name))
        fits = loaded is not None and loaded.runner == _runner(asked) and not loaded.ending
        return loaded if fits else None

    async def _load(self, exchange: Exchange, model: Model, asked: Asked) -> Loaded:
        exchange.load = Load.OWNED
        exchange.phase = Phase.LOADING
        identity = identity_of(model.name)
        before = self._loaded.get(identity)
        if before is not None:
            await before.unused.wait()
            self.reloads += 1
            self._loaded.pop(identity, None)
        self.loads_started += 1
        self._loading = model
        try:
            if self.load_gate is not None:
                await self.load_gate.passed()
        except asyncio.CancelledError:
            self.loads_aborted += 1
            raise
        finally:
            self._loading = None
        if self.load_error is not None:
            raise Refused(*self.load_error)
        self.loads_finished += 1
        self._loaded[identity] = self._fresh(model, asked.options)
        return self._loaded[identity]

    def _fresh(self, model: Model, options: object) -> Loaded:
        given = options if isinstance(options, dict) else {}
        wanted = max(4, int(given.get("num_ctx") or _DEFAULT_WINDOW))
        loaded = Loaded(
            model=model,
            window_tokens=wanted if self._oldest else min(wanted, model.window_tokens),
            runner=tuple(given.get(name) for name in _RUNNER_OPTIONS),
            slots=asyncio.Semaphore(self._num_parallel),
            keep_alive_s=_KEEP_ALIVE_S,
            expires_at_s=self._clock() + _KEEP_ALIVE_S,
        )
        loaded.unused.set()
        return loaded

    def _keep(self, loaded: Loaded, asked: Asked) -> None:
        if asked.keep_alive_s is not None:
            loaded.keep_alive_s = asked.keep_alive_s
        loaded.expires_at_s = self._clock() + loaded.keep_alive_s
        self._settle(loaded)

    def _settle(self, loaded: Loaded) -> None:
        if loaded.users:
            return
        loaded.unused.set()
        identity = identity_of(loaded.model.name)
        if loaded.ending and self._loaded.get(identity) is loaded:
            del self._loaded[identity]
            self.unloads += 1

    def _forget_expired(self) -> None:
        for identity, loaded in list(self._loaded.items()):
            if not loaded.users and loaded.expires_at_s <= self._clock():
                del self._loaded[identity]
                self.unloads += 1


def _runner(asked: Asked) -> tuple[object, ...]:
    return tuple(asked.options.get(name) for name in _RUNNER_OPTIONS)
