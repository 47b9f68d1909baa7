"""Anthropic's Messages in this process, on a real socket, answered as a test scripts."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from typing_extensions import override

from tests.fakes.anthropic_checks import refusal_of
from tests.fakes.anthropic_stage import Stage, error_of
from tests.fakes.anthropic_steps import INPUT, OUTPUT, Script, Step, answer, flatten
from tests.fakes.fake_server import FakeServer
from tests.fakes.ollama_record import Exchange

CHAT = "/v1/messages"
KEY = "sk-ant-test-key"


@dataclass(slots=True, kw_only=True)
class _Scripted:
    steps: Sequence[Step]
    times: float


class FakeAnthropic(FakeServer):
    """`async with FakeAnthropic(models=("m",)) as fake:` serves on `fake.base_url`.

    Headers and body are checked before a script runs. A chat without a script is answered with
    `answer`. An error inside the fake itself fails the test when it closes.

    Attributes:
        answer: What is answered where nothing is scripted.
    """

    product = "Anthropic"
    chat_path = CHAT

    def __init__(self, *, models: Sequence[str], api_key: str = KEY) -> None:
        """Describe a server; it runs inside `async with`.

        Args:
            models: What it answers for.
            api_key: The key that every request must carry.
        """
        super().__init__()
        self.answer = "An answer in several pieces."
        self._models = models
        self._api_key = api_key
        self._scripts: list[_Scripted] = []

    def will(self, *script: Script, times: float = 1) -> None:
        """Answer chats by script, so often; the oldest script goes first."""
        self._scripts.append(_Scripted(steps=flatten(script), times=times))

    @override
    async def _play(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        stage = Stage(request, exchange)
        for step in self._steps(stage):
            await step(stage)
        return await stage.finish()

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
