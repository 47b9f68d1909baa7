"""Anthropic's Messages in this process, on a real socket, answered as a test scripts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.anthropic_checks import refusal_of
from tests.fakes.anthropic_stage import Stage, error_of
from tests.fakes.anthropic_steps import INPUT, OUTPUT, Script, Step, answer, flatten
from tests.fakes.eventually import eventually
from tests.fakes.ollama_doors import Doors
from tests.fakes.ollama_record import Connection, Exchange, Outcome

CHAT = "/v1/messages"
KEY = "sk-ant-test-key"


@dataclass(slots=True, kw_only=True)
class _Scripted:
    steps: Sequence[Step]
    times: float


class FakeAnthropic:
    """`async with FakeAnthropic(models=("m",)) as fake:` serves on `fake.base_url`.

    Headers and body are checked before a script runs. A chat without a script is answered with
    `answer`. An error inside the fake itself fails the test when it closes.

    Attributes:
        answer: What is answered where nothing is scripted.
        exchanges: Every request, in order of arrival.
        in_flight: How many are being answered now.
        most_in_flight: How many that were at most.
    """

    def __init__(self, *, models: Sequence[str], api_key: str = KEY) -> None:
        """Describe a server; it runs inside `async with`.

        Args:
            models: What it answers for.
            api_key: The key that every request must carry.
        """
        self.answer = "An answer in several pieces."
        self.exchanges: list[Exchange] = []
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
    def port(self) -> int:
        """Where it listens."""
        return self._doors.port

    @property
    def base_url(self) -> str:
        """The root of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

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
        return [exchange for exchange in self.exchanges if exchange.path == CHAT]

    def will(self, *script: Script, times: float = 1) -> None:
        """Answer chats by script, so often; the oldest script goes first."""
        self._scripts.append(_Scripted(steps=flatten(script), times=times))

    async def received(self, n: int = 1) -> Exchange:
        """Wait for the n-th chat and return it."""
        await eventually(lambda: len(self.chats) >= n)
        return self.chats[n - 1]

    async def client_gone(self, n: int = 1, *, within_s: float = 5.0) -> None:
        """Wait until n clients left before their answer's end."""
        await eventually(
            lambda: sum(one.outcome is Outcome.CLIENT_GONE for one in self.exchanges) >= n,
            within_s=within_s,
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
        self.in_flight += 1
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
            self.in_flight -= 1
        exchange.end(Outcome.COMPLETED)
        return response

    def _steps(self, stage: Stage) -> Sequence[Step]:
        exchange = stage.exchange
        if (exchange.method, exchange.path) != ("POST", CHAT):
            missing = error_of("not_found_error", "Not found")
            return [lambda stage: stage.whole(missing, 404)]
        refusal = refusal_of(exchange.headers, stage.asked, self._api_key)
        if refusal is not None:
            status, document = refusal
            return [lambda stage: stage.whole(document, status)]
        for script in self._scripts:
            if script.times > 0:
                script.times -= 1
                return script.steps
        model = stage.asked["model"]
        if model not in self._models:
            missing = error_of("not_found_error", f"model: {model}")
            return [lambda stage: stage.whole(missing, 404)]
        return flatten(answer(self.answer)) if stage.asked.get("stream") else [self._whole]

    async def _whole(self, stage: Stage) -> None:
        said = {
            "content": [{"type": "text", "text": self.answer}],
            "stop_reason": "end_turn",
            "usage": {**INPUT, **OUTPUT},
        }
        await stage.whole({**stage.message, **said})
