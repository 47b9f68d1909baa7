"""The fake Ollama, asked what real servers were asked, answers as they did."""

import json
from collections.abc import Callable, Iterator, Mapping

import aiohttp
import pytest
from yarl import URL

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_checks import Generation
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_stage import Call
from tests.fakes.ollama_steps import (
    busy,
    error_line,
    fail_first,
    refuse,
    repeat_guard,
    runner_stopped,
    tokens,
)
from tests.fakes.recordings import VERSIONS, Recording, cases, recording

_TALKS = ("completion",)
_ABLE = {
    "tiny-tools": (*_TALKS, "tools"),
    "tiny-tools-x": (*_TALKS, "tools"),
    "tiny-xml": (*_TALKS, "tools"),
    "tiny-think": (*_TALKS, "thinking"),
}
_NAMES = (
    *("tiny", "tiny-long", "tiny-misc", "tiny-cut", "tiny-broken", "tiny-notensor", "tiny-slow"),
    *_ABLE,
)
_MODELS = [
    Model(name=f"{name}:latest", capabilities=_ABLE.get(name, _TALKS), window_tokens=8192)
    for name in _NAMES
]
_CUSTOM = Model(name="tiny-custom:latest", parameters="num_ctx 256", system="Be brief.")

# Thinking, calls that go wrong, token probabilities, broken characters, stop texts and lost connections:
# written by the recorded models and not by the fake's world. Tests replay them.
_NOT_PLAYED = {
    "chat-bad-utf8",
    "chat-stop-inside",
    "chat-stop-word",
    "format-json",
    "logprobs",
    "logprobs-21",
    "ps-while-loading",
    "sigkill-while-streaming",
    "sigterm-while-streaming",
    "think-budget-eaten",
    "think-true",
    "think-unset",
    "tools-broken-json",
    "tools-unknown-name",
}

_SetUp = Callable[[FakeOllama, Recording], None]


def _in_memory(num_ctx: int | None = None) -> _SetUp:
    return lambda fake, _: fake.world.put_in_memory("tiny:latest", num_ctx=num_ctx)


def _says(text: str) -> _SetUp:
    return lambda fake, _: setattr(fake.conversation, "answer", text)


def _calls(*calls: Call) -> _SetUp:
    return lambda fake, _: setattr(fake.conversation, "calls", calls)


def _full_queue(fake: FakeOllama, _: Recording) -> None:
    fake.will(busy())


def _stopped(fake: FakeOllama, _: Recording) -> None:
    fake.will(runner_stopped())


def _refused(fake: FakeOllama, recorded: Recording) -> None:
    fake.will(refuse(500, str(recorded.lines[0]["error"])))


def _failed_first(fake: FakeOllama, recorded: Recording) -> None:
    fake.will(fail_first(500, str(recorded.lines[0]["error"])))


def _failed_late(fake: FakeOllama, recorded: Recording) -> None:
    fake.will(tokens(2), error_line(str(recorded.lines[-1]["error"])))


def _load_fails(fake: FakeOllama, recorded: Recording) -> None:
    fake.world.load_error = (500, str(recorded.lines[0]["error"]))


def _weights_gone(fake: FakeOllama, _: Recording) -> None:
    fake.world.add(Model(name="tiny-gone:latest", weights_gone=True))


def _repeats(fake: FakeOllama, _: Recording) -> None:
    fake.will(repeat_guard())


_TWO_CALLS: tuple[Call, Call] = (("get_weather", {"city": "Rome"}), ("get_time", {}))
_SET_UPS: Mapping[str, _SetUp] = {
    "chat-multibyte": _says("smile 😀 bye"),
    "chat-no-token": _says(""),
    "chat-no-token-whole": _says(""),
    "chat-one-token": _says("Yes."),
    "chat-repeat-guard": _repeats,
    "chat-repeat-guard-whole": _repeats,
    "format-bad-schema": _failed_first,
    "load-missing-tensor": _load_fails,
    "load-missing-tensor-whole": _load_fails,
    "load-truncated-weights": _load_fails,
    "manifest-broken-chat": _refused,
    "ps-alias": _in_memory(),
    "ps-keep-alive-minus-1": _in_memory(),
    "ps-loaded": _in_memory(),
    "ps-num-ctx-64": _in_memory(64),
    "ps-num-ctx-above-trained": _in_memory(100_000),
    "queue-full": _full_queue,
    "queue-full-whole": _full_queue,
    "runner-killed-before-first-token": _stopped,
    "runner-killed-before-first-token-whole": _stopped,
    "runner-killed-while-loading": _load_fails,
    "runner-killed-while-streaming": _failed_late,
    "tool-parse-error-stream": _failed_late,
    "tool-parse-error-whole": _failed_first,
    "tools-stream": _calls(("get_weather", {"city": "Oslo", "days": 3})),
    "tools-two-stream": _calls(*_TWO_CALLS),
    "tools-two-whole": _calls(*_TWO_CALLS),
    "weights-gone": _weights_gone,
    "weights-gone-show": _weights_gone,
}


def _shape(value: object) -> object:
    """Return what two values of one kind have in common: keys, types, of a list its first item."""
    if isinstance(value, dict):
        # Its keys are the model file's, not the server's.
        return {key: "free" if key == "model_info" else _shape(value[key]) for key in value}
    if isinstance(value, list):
        return [_shape(item) for item in value[:1]]
    return type(value).__name__


def _facts(
    status: int, headers: Mapping[str, str], body: bytes
) -> tuple[int, str | None, bool, list[object]]:
    """Return status, content type, whether it is chunked, and the kinds of lines in order.

    An error's text counts too.
    """
    text = body.decode(errors="replace")
    kinds: list[object] = []
    if not text.startswith("{"):
        kinds.append(text)
    else:
        for line in text.splitlines():
            document = json.loads(line)
            kind = document if "error" in document else _shape(document)
            if kind not in kinds[-1:]:
                kinds.append(kind)
    return status, headers.get("content-type"), "transfer-encoding" in headers, kinds


def _played() -> Iterator[tuple[str, str]]:
    for version in VERSIONS:
        yield from ((version, case) for case in cases(version) if case not in _NOT_PLAYED)


@pytest.mark.parametrize(("version", "case"), list(_played()))
async def test_answers_as_the_real_server_did(version: str, case: str) -> None:
    recorded = recording(version, case)
    fake = FakeOllama(models=[*_MODELS, _CUSTOM], generation=Generation(version))
    async with fake, aiohttp.ClientSession() as session:
        fake.world.bytes_per_token = 1
        if case in _SET_UPS:
            _SET_UPS[case](fake, recorded)
        url = URL(fake.base_url + recorded.path, encoded=True)
        async with session.request(
            recorded.method,
            url,
            data=recorded.request,
            headers={"Content-Type": "application/json", **recorded.headers},
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            actual = _facts(response.status, headers, await response.read())

    expected = _facts(recorded.status, recorded.response_headers, recorded.body)

    assert expected == actual


@pytest.mark.parametrize("version", VERSIONS)
async def test_counts_a_prompt_as_the_recorded_model_does(version: str) -> None:
    recorded = recording(version, "chat-num-predict-5")
    fake = FakeOllama(models=("tiny:latest",), generation=Generation(version))
    async with fake, aiohttp.ClientSession() as session:
        fake.world.bytes_per_token = 1
        async with session.post(f"{fake.base_url}/api/chat", data=recorded.request) as response:
            last = json.loads((await response.read()).splitlines()[-1])

    counts = ("done_reason", "prompt_eval_count", "eval_count")

    assert [recorded.lines[-1][key] for key in counts] == [last[key] for key in counts]
