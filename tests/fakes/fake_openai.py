"""An OpenAI-compatible server in this process, on a real socket, that answers as a test scripts."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.eventually import eventually
from tests.fakes.ollama_doors import Doors
from tests.fakes.ollama_record import Connection, Exchange, Json, Outcome
from tests.fakes.ollama_stage import pieces_of
from tests.fakes.openai_stage import Stage
from tests.fakes.openai_steps import (
    USAGE,
    Script,
    Step,
    done,
    finish,
    flatten,
    refuse,
    role,
    token,
    usage,
)

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"


@dataclass(slots=True, kw_only=True)
class _Scripted:
    path: str
    steps: Sequence[Step]
    times: float


class FakeOpenai:
    """`async with FakeOpenai(models=("m",)) as fake:` serves on `fake.base_url`.

    The key is checked first. A chat without a script is answered with `answer`, a path that it
    does not know with 404. An error inside the fake itself fails the test when it closes.

    Attributes:
        answer: What is answered where nothing is scripted.
        exchanges: Every request, in order of arrival.
        documents: Path -> what is answered there, such as an Ollama's own routes.
        in_flight: How many chats are being answered now.
        most_in_flight: How many that were at most.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        api_key: str = "",
        documents: Mapping[str, Json] | None = None,
    ) -> None:
        """Describe a server; it runs inside `async with`.

        Args:
            models: What it lists and answers for.
            api_key: The key that every request must carry; empty for none.
            documents: Path -> what is answered there.
        """
        self.answer = "An answer in several pieces."
        self.exchanges: list[Exchange] = []
        self.documents = dict(documents or {})
        self.in_flight = 0
        self.most_in_flight = 0
        self._models = models
        self._api_key = api_key
        self._scripts: list[_Scripted] = []
        self._defects: list[Exception] = []
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
        """Cut everything; raise what went wrong inside the fake."""
        self.stop_listening()
        self._doors.cut()
        await eventually(lambda: all(one.outcome for one in self.exchanges))
        await eventually(lambda: self.open_connections == 0)
        if self._defects:
            raise ExceptionGroup("inside the fake", self._defects)

    @property
    def base_url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """The root of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port, the same after `start_listening`."""
        return self._doors.port

    @property
    def connections(self) -> list[Connection]:
        """Every TCP connection so far, in order."""
        return self._doors.all

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        return sum(connection.open for connection in self.connections)

    @property
    def chats(self) -> list[Exchange]:
        """The requests for a chat, in order."""
        return self.requests(CHAT)

    def requests(self, path: str) -> list[Exchange]:
        """The requests for one path, in order."""
        return [exchange for exchange in self.exchanges if exchange.path == path]

    def will(self, *script: Script, path: str = CHAT, times: float = 1) -> None:
        """Answer requests for `path` by script, so often; the oldest script goes first."""
        self._scripts.append(_Scripted(path=path, steps=flatten(script), times=times))

    async def received(self, n: int = 1, *, path: str = CHAT) -> Exchange:
        """Wait for the n-th request for a path and return it."""
        await eventually(lambda: len(self.requests(path)) >= n)
        return self.requests(path)[n - 1]

    async def client_gone(self, n: int = 1) -> None:
        """Wait until n clients left before their answer's end."""
        await eventually(
            lambda: sum(one.outcome is Outcome.CLIENT_GONE for one in self.exchanges) >= n
        )

    def stop_listening(self) -> None:
        """Refuse new connections; those there are stay."""
        self._doors.close()

    async def start_listening(self) -> None:
        """Listen again, on the same port."""
        await self._doors.open()

    def cut_connections(self) -> None:
        """Close all connections at once."""
        self._doors.cut()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._doors.connection_of(request)
        connection.requests += 1
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            connection=connection,
            method=request.method,
            path=request.raw_path.partition("?")[0],
            headers=dict(request.headers),
            body=await request.content.read(),
        )
        self.exchanges.append(exchange)
        is_chat = exchange.path == CHAT
        self.in_flight += is_chat
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        stage = Stage(request, exchange)
        try:
            for step in self._steps(stage):
                await step(stage)
            response = await stage.finish()
        except (asyncio.CancelledError, ConnectionError):
            exchange.end(Outcome.SCRIPT_CUT if connection.cut else Outcome.CLIENT_GONE)
            raise
        except Exception as defect:
            self._defects.append(defect)
            exchange.end(Outcome.SCRIPT_CUT)
            raise
        finally:
            self.in_flight -= is_chat
        exchange.end(Outcome.COMPLETED)
        return response

    def _steps(self, stage: Stage) -> Sequence[Step]:
        exchange = stage.exchange
        if self._api_key and exchange.headers.get("Authorization") != f"Bearer {self._api_key}":
            wrong = "Incorrect API key provided."
            return [refuse(401, wrong, type="invalid_request_error", code="invalid_api_key")]
        for script in self._scripts:
            if script.path == exchange.path and script.times > 0:
                script.times -= 1
                return script.steps
        return [self._usual(exchange)]

    def _usual(self, exchange: Exchange) -> Step:
        document = self.documents.get(exchange.path)
        match exchange.method, exchange.path:
            case "GET", _ if document is not None:
                return lambda stage: stage.whole(document)
            case "GET", path if path == MODELS:
                listed = [{"id": name, "object": "model"} for name in self._models]
                return lambda stage: stage.whole({"object": "list", "data": listed})
            case "POST", path if path == CHAT:
                return self._chat
            case _:
                return lambda stage: stage.whole({"detail": "Not Found"}, 404)

    async def _chat(self, stage: Stage) -> None:
        asked = stage.asked
        if asked.get("model") not in self._models:
            missing = refuse(
                404,
                f"The model `{asked.get('model')}` does not exist.",
                type="invalid_request_error",
                code="model_not_found",
            )
            await missing(stage)
            return
        if not asked.get("stream"):
            message = {"role": "assistant", "content": self.answer}
            whole = stage.document({"message": message, "finish_reason": "stop"}, usage=USAGE)
            await stage.whole({**whole, "object": "chat.completion"})
            return
        told: list[Step] = [role(), *map(token, pieces_of(self.answer)), finish()]
        options = asked.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            told.append(usage())
        for step in (*told, done()):
            await step(stage)
