"""An Ollama in this process, on a real socket: a real one's behaviour, and what a test scripts."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from aiohttp import web
from typing_extensions import override

from llmsvc_server.chat.deadline import Clock
from tests.fakes.fake_server import FakeServer
from tests.fakes.gate import Gate
from tests.fakes.ollama_chat import Conversation
from tests.fakes.ollama_checks import Generation, Refused, decode_chat
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_doors import is_own_address
from tests.fakes.ollama_record import Exchange, Phase
from tests.fakes.ollama_routes import CHAT, answer
from tests.fakes.ollama_stage import TEXT, Stage
from tests.fakes.ollama_steps import Script, Step, flatten
from tests.fakes.ollama_world import World


@dataclass(slots=True, kw_only=True)
class _Scripted:
    path: str
    when: Callable[[Exchange], bool]
    steps: Sequence[Step]
    times: float


class FakeOllama(FakeServer):
    """`async with FakeOllama(models=("phi3:mini",)) as fake:` serves on `fake.base_url`.

    A chat without a script is answered by the world: checks, load, slots, `conversation.answer`.
    A script replaces all of that but the decoding of the request, which is always as strict as
    the real one. An error inside the fake itself fails the test when it closes.

    Attributes:
        world: Models on disk and in memory, counters of loads.
        conversation: What is answered where nothing is scripted.
        gates: Path -> gate at which each request of that path waits before anything else.
        version: What /api/version says.
    """

    product = "Ollama"
    chat_path = CHAT

    def __init__(  # noqa: PLR0913  the knobs of a world, all by keyword
        self,
        *,
        models: Sequence[str | Model] = (),
        loaded: Sequence[str] = (),
        generation: Generation = Generation.OLD,
        version: str = "",
        num_parallel: int = 1,
        max_queue: int = 512,
        clock: Clock | None = None,
    ) -> None:
        """Describe a server; it runs inside `async with`.

        Args:
            models: Names with their tags, or whole models, newest last.
            loaded: Names of those that are in memory from the start.
            generation: Whose texts and framing it has.
            version: The generation's own if empty.
            num_parallel: Slots per model. Ollama 0.10: default 1.
            max_queue: Requests that may wait for a load. Ollama: default 512.
            clock: For `keep_alive`; the loop's if None.
        """
        super().__init__()
        self.generation = generation
        self.version = version or generation.value
        self.world = World(
            generation=generation,
            clock=clock or (lambda: asyncio.get_running_loop().time()),
            num_parallel=num_parallel,
            max_queue=max_queue,
        )
        self.conversation = Conversation()
        self.gates: dict[str, Gate] = {}
        self._models = models
        self._loaded = loaded
        self._scripts: list[_Scripted] = []
        self._closes_on_reuse = 0.0

    @override
    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        for model in self._models:
            self.world.add(model)
        for name in self._loaded:
            self.world.put_in_memory(name)
        return await super().__aenter__()

    @property
    def moves(self) -> list[Exchange]:
        """The requests that bring a model into memory or out of it, in order."""
        return [one for one in self.exchanges if one.path == CHAT and one.moves_model]

    @override
    def requests(self, path: str) -> list[Exchange]:
        """The requests for one path, in order; `moves` are not among them."""
        return [one for one in super().requests(path) if not (path == CHAT and one.moves_model)]

    def will(
        self,
        *script: Script,
        path: str = CHAT,
        model: str = "",
        when: Callable[[Exchange], bool] | None = None,
        moves_model: bool = False,
        times: float = 1,
    ) -> None:
        """Answer requests by script; the oldest script that fits is used first.

        Args:
            script: Steps, gates and nests of them.
            path: Which requests.
            model: Only those that name it so; empty for any.
            when: Only those for which it holds.
            moves_model: Whether it is for `moves`, and not for chats.
            times: How often; `math.inf` for ever.
        """

        def fits(exchange: Exchange) -> bool:
            named = not model or exchange.json.get("model") == model
            fits_kind = path != CHAT or exchange.moves_model == moves_model
            return named and fits_kind and (when is None or when(exchange))

        steps = flatten(script)
        self._scripts.append(_Scripted(path=path, when=fits, steps=steps, times=times))

    def forget_scripts(self) -> None:
        """Be the plain world again, for requests that come from now on."""
        self._scripts.clear()

    def close_on_reuse(self, times: float = 1) -> None:
        """Close the connection, unanswered, of the next requests that come over a used one."""
        self._closes_on_reuse = times

    @override
    async def _play(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        stage = Stage(request, exchange, self.world, self.generation)
        await self._answer(stage, request)
        return await stage.finish()

    @override
    def _is_chat(self, exchange: Exchange) -> bool:
        return super()._is_chat(exchange) and not exchange.moves_model

    async def _answer(self, stage: Stage, request: web.BaseRequest) -> None:
        exchange = stage.exchange
        if exchange.reused and self._closes_on_reuse > 0:
            self._closes_on_reuse -= 1
            await stage.cut(reset=False)
        if exchange.path in self.gates:
            await self.gates[exchange.path].passed()
        if not is_own_address(request):
            await stage.body(b"", TEXT, 403)
            return
        try:
            await self._reply(stage)
        except Refused as refused:
            say = stage.fail_first if refused.at_generation else stage.refuse
            await say(refused.status, refused.text)

    async def _reply(self, stage: Stage) -> None:
        exchange = stage.exchange
        if (exchange.method, exchange.path) == ("POST", CHAT):
            stage.asked = decode_chat(exchange.body, self.generation)
        script = self._script_for(exchange)
        if script is None:
            await answer(stage, self.conversation, self.version)
            return
        if stage.asked is not None:
            exchange.phase = Phase.BEFORE_FIRST_TOKEN
        for step in script:
            await step(stage)

    def _script_for(self, exchange: Exchange) -> Sequence[Step] | None:
        for script in self._scripts:
            if script.path == exchange.path and script.times > 0 and script.when(exchange):
                script.times -= 1
                return script.steps
        return None
