"""An upstream of any protocol that does with each chat what a test says, and counts them."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.linger import reset_on_close
from tests.fakes.ollama_doors import Doors
from tests.scenarios.protocols import MODELS, PATHS, STREAM_TYPES, Protocol, rendered
from tests.scenarios.steps import Cut, End, Pause, Refuse, Reset, Silence, Step, Turn, answer

_LOADED = (
    b'{"model": "phi3:mini", "message": {"role": "assistant", "content": ""},'
    b' "done": true, "done_reason": "load"}\n'
)

_NO_ROOM = {"error": "model requires more system memory (9.9 GiB) than is available (1.0 GiB)"}


@dataclass(slots=True)
class Chat:
    """One request for an answer.

    Attributes:
        body: As it came.
        headers: Names in lower case.
        at_s: When it came, on the loop's clock.
        left: Whether the client closed the connection before the answer's end.
        over: Whether nothing of it runs any more.
    """

    body: bytes
    headers: dict[str, str]
    at_s: float
    left: bool = False
    over: bool = False


class FaultServer:
    """`async with FaultServer(Protocol.OLLAMA) as server:` serves on `server.root`.

    Attributes:
        chats: Requests for an answer, in order.
        loads: How many requests asked for a model to be loaded, where the protocol has such.
        loading: Where set, each load waits at this gate.
        fails_to_load: Whether loads are refused for want of memory.
        in_memory: Whether the model counts as loaded, where the protocol tells.
        running: How many chats are being answered now; `most_running` how many that were at most.
    """

    def __init__(self, protocol: Protocol, *, says: str = "from the primary") -> None:
        """Speak `protocol`; answer with `says` where nothing is scripted."""
        self.protocol = protocol
        self.chats: list[Chat] = []
        self.loads = 0
        self.loading: Gate | None = None
        self.in_memory = True
        self.fails_to_load = False
        self.running = 0
        self.most_running = 0
        self._usual: Turn = answer(says)
        self._turns: list[Turn] = []
        self._doors = Doors(self._handle)

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        await self._doors.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut everything."""
        self._doors.close()
        self._doors.cut()
        await eventually(lambda: self.open_connections == 0)

    @property
    def root(self) -> str:
        """Where it is, as its kind's `base_url`."""
        suffix = "/v1" if self.protocol is Protocol.OPENAI else ""
        return f"http://127.0.0.1:{self._doors.port}{suffix}"

    @property
    def model(self) -> str:
        """The model it has."""
        return MODELS[self.protocol]

    @property
    def connections(self) -> int:
        """How many connections it got so far."""
        return len(self._doors.all)

    @property
    def open_connections(self) -> int:
        """How many are open now."""
        return sum(connection.open for connection in self._doors.all)

    def will(self, *turns: Turn) -> None:
        """Give the next chats these turns, one each; later ones are answered as usual."""
        self._turns += turns

    def always(self, turn: Turn) -> None:
        """Give every chat without a turn of its own this one."""
        self._usual = turn

    def stop(self) -> None:
        """Be gone: no listener, every connection cut."""
        self._doors.close()
        self._doors.cut()

    async def start(self) -> None:
        """Be back, at the same place."""
        await self._doors.open()

    async def all_over(self) -> None:
        """Wait until no chat is being answered."""
        await eventually(lambda: all(chat.over for chat in self.chats))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        if request.path != PATHS[self.protocol]:
            page = web.json_response(self._page(request.path))
            page.force_close()  # so that each chat begins on a connection of its own
            return page
        if self.protocol is Protocol.OLLAMA and json.loads(body).get("messages") == []:
            return await self._load()
        chat = Chat(
            body,
            {name.lower(): value for name, value in request.headers.items()},
            asyncio.get_running_loop().time(),
        )
        self.chats.append(chat)
        turn = self._turns.pop(0) if self._turns else self._usual
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._play(request, turn)
        except asyncio.CancelledError:
            chat.left = True
            raise
        except ConnectionError:
            chat.left = True
            return web.Response()
        finally:
            self.running -= 1
            chat.over = True

    async def _load(self) -> web.Response:
        self.loads += 1
        if self.loading is not None:
            await self.loading.passed()
        if self.fails_to_load:
            return web.json_response(_NO_ROOM, status=500)
        self.in_memory = True
        return web.Response(body=_LOADED, content_type="application/x-ndjson")

    def _page(self, path: str) -> object:
        entry = {"name": self.model, "model": self.model, "digest": "d1"}
        match path:
            case "/api/tags":
                return {"models": [entry]}
            case "/api/ps":
                return {"models": [entry] if self.in_memory else []}
            case "/api/version":
                return {"version": "0.24.0"}
            case _:
                return {"object": "list", "data": [{"id": self.model, "object": "model"}]}

    async def _play(  # noqa: C901  one case a step
        self, request: web.BaseRequest, turn: Sequence[Step]
    ) -> web.StreamResponse:
        response: web.StreamResponse | None = None
        for step in turn:
            match step:
                case Refuse(status, refusal, headers):
                    return web.Response(
                        status=status,
                        body=refusal,
                        headers=headers,
                        content_type="application/json",
                    )
                case Gate():
                    await step.passed()
                    continue
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                    continue
                case Silence():
                    await asyncio.Event().wait()
                case Cut() | Reset():
                    assert request.transport is not None
                    if isinstance(step, Reset):
                        reset_on_close(request.transport)
                    request.transport.close()
                    await asyncio.Event().wait()
                case _:
                    pass
            data = rendered(self.protocol, step)
            if response is None and (data or isinstance(step, End)):
                response = web.StreamResponse(headers={"Content-Type": STREAM_TYPES[self.protocol]})
                response.enable_chunked_encoding()
                await response.prepare(request)
            if data:
                assert response is not None
                await response.write(data)
        assert response is not None, "a turn begins with a refusal or with bytes"
        await response.write_eof()
        return response
