"""An OpenAI-compatible server in this process, on a real socket, that answers as a test scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from typing_extensions import override

from tests.fakes.fake_server import FakeServer
from tests.fakes.ollama_record import Exchange, Json
from tests.fakes.ollama_stage import pieces_of
from tests.fakes.openai_checks import refusal_of
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
    tool_call,
    usage,
)

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"


@dataclass(slots=True, kw_only=True)
class _Scripted:
    path: str
    steps: Sequence[Step]
    times: float


class FakeOpenai(FakeServer):
    """`async with FakeOpenai(models=("m",)) as fake:` serves on `fake.base_url`.

    The key is checked first. A chat without a script is answered with `answer`, a path that it
    does not know with 404. An error inside the fake itself fails the test when it closes.

    Attributes:
        answer: What is answered where nothing is scripted.
        arguments: With which the first tool is called, where some are offered and the last turn
            is no result; None for no call.
        documents: Path -> what is answered there, such as an Ollama's own routes.
    """

    product = "OpenAI"
    chat_path = CHAT

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        api_key: str = "",
        documents: Mapping[str, Json] | None = None,
        window: int | None = None,
        is_openai: bool = False,
    ) -> None:
        """Describe a server; it runs inside `async with`.

        Args:
            models: What it lists and answers for.
            api_key: The key that every request must carry; empty for none.
            documents: Path -> what is answered there.
            window: Tokens that a prompt, of which each has 30, and the answer's limit may have
                together; a larger limit is refused in the words of vLLM 0.11. None: any number.
            is_openai: Whether it wants the word JSON beside the mode of that name.
        """
        super().__init__()
        self.answer = "An answer in several pieces."
        self.arguments: str | None = None
        self.documents = dict(documents or {})
        self._is_openai = is_openai
        self._models = models
        self._api_key = api_key
        self._window = window
        self._scripts: list[_Scripted] = []

    @property
    @override
    def base_url(self) -> str:
        """What a configuration names: with `/v1`, without a slash at the end."""
        return f"{self.origin}/v1"

    def will(self, *script: Script, path: str = CHAT, times: float = 1) -> None:
        """Answer requests for `path` by script, so often; the oldest script goes first."""
        self._scripts.append(_Scripted(path=path, steps=flatten(script), times=times))

    @override
    async def _play(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        stage = Stage(request, exchange)
        for step in self._steps(stage):
            await step(stage)
        return await stage.finish()

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
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
        if self._window is not None and isinstance(limit, int) and limit + 30 > self._window:
            too_large = refuse(
                400,
                f"'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's"
                f" maximum context length is {self._window} tokens and your request has 30 input"
                f" tokens ({limit} > {self._window} - 30).",
                type="BadRequestError",
                code=400,
            )
            await too_large(stage)
            return
        refused = refusal_of(asked, is_openai=self._is_openai)
        if refused is not None:
            await refused(stage)
            return
        if not asked.get("stream"):
            message = {"role": "assistant", "content": self.answer}
            whole = stage.document({"message": message, "finish_reason": "stop"}, usage=USAGE)
            await stage.whole({**whole, "object": "chat.completion"})
            return
        told: list[Step] = [role(), *self._said(asked)]
        options = asked.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            told.append(usage())
        for step in (*told, done()):
            await step(stage)

    def _said(self, asked: Json) -> Sequence[Step]:
        tools, messages = asked.get("tools"), asked.get("messages")
        may_call = isinstance(messages, list) and messages[-1]["role"] != "tool"
        if self.arguments is not None and isinstance(tools, list) and may_call:
            name = tools[0]["function"]["name"]
            call = tool_call(name, self.arguments, call_id="call_of_the_fake")
            return [*call, finish("tool_calls")]
        return [*map(token, pieces_of(self.answer)), finish()]
