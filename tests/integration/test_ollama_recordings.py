"""Real servers' bytes, replayed over a socket through the whole adapter."""

from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus

import pytest

from llmsvc_server.chat.events import Delta, Done, SignOfLife, pieces_in
from llmsvc_server.chat.features import Features, Tool
from llmsvc_server.chat.parts import AnswerParts, ToolCall
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_disk import Model
from tests.fakes.recordings import VERSIONS, Recording, cases, recording, replay
from tests.fakes.requests import chat_request, limits_of

UNENDED = {
    "chat-repeat-guard": "O00",
    "chat-repeat-guard-whole": "C07",
    "leave-while-streaming": "C07",
    "sigkill-while-streaming": "C07",
    "sigterm-while-streaming": "C07",
    "runner-killed-while-streaming": "O10b",
    "runner-killed-before-first-token": "O10b",
    "tool-parse-error-stream": "O02",
    "format-bad-schema": "O10",
    "format-bad-string": "O10",
    "format-number": "O10",
}
LOADED_ONLY = {"load", "unload"}


def answered() -> list[Recording]:
    """Return the recorded chats with status 200 that were kept in full."""
    found = [recording(version, case) for version in VERSIONS for case in cases(version)]
    return [
        one
        for one in found
        if one.path == "/api/chat" and one.status == HTTPStatus.OK and b"####" not in one.response
    ]


def expected_row(recorded: Recording) -> str:
    """Return the row of docs/failover.md 2.2 that an answer ends with; empty if it ends well."""
    if recorded.lines[-1].get("done_reason") in LOADED_ONLY:
        return "O03"
    return UNENDED.get(recorded.case, "")


@pytest.mark.parametrize("piece_bytes", [None, 100])
@pytest.mark.parametrize("recorded", answered(), ids=lambda one: f"{one.version}-{one.case}")
async def test_gives_the_recorded_answer(recorded: Recording, piece_bytes: int | None) -> None:
    contents: list[str] = []
    for line in recorded.lines:
        message = line.get("message")
        contents.append(message["content"] if isinstance(message, dict) else "")
    text, row = "", ""
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(replay(recorded, piece_bytes=piece_bytes))
        try:
            async with aclosing(
                provider.stream_chat(chat_request(model=MODEL), limits_of())
            ) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        text += event.text
                    else:
                        assert isinstance(event, SignOfLife | Done)
        except ProviderError as error:
            row = error.row

    whole = "".join(contents)
    assert expected_row(recorded) == row
    # aiohttp forgets what it has not handed out when a connection breaks.
    assert whole == text or (row == "C07" and whole.startswith(text))


CALLS = {
    "tools-stream": [("get_weather", '{"city":"Oslo","days":3}')],
    "tools-two-stream": [("get_weather", '{"city":"Rome"}'), ("get_time", "{}")],
    "tools-two-whole": [("get_weather", '{"city":"Rome"}'), ("get_time", "{}")],
    "tools-broken-json": [],
    "tools-unknown-name": [],
    "tools-result": [],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CALLS)
async def test_gives_the_recorded_calls(version: str, case: str) -> None:
    tools = (Tool(name="get_weather"), Tool(name="get_time"))
    asked = chat_request(model=MODEL)
    request = replace(asked, features=Features(tools=tools), is_plain=False)
    parts, reason = AnswerParts(), None
    calling = Model(name=MODEL, capabilities=("completion", "tools"))
    async with FakeOllama(models=(calling,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(replay(recording(version, case)))
        async with aclosing(provider.stream_chat(request, limits_of())) as events:
            async for event in events:
                if isinstance(event, Done):
                    reason = event.finish_reason
                elif isinstance(event, Delta):
                    for piece in pieces_in(event):
                        parts.add(piece)

    calls = [part for part in parts.fold() if isinstance(part, ToolCall)]
    assert CALLS[case] == [(call.name, call.arguments_json) for call in calls]
    assert len(calls) == len({call.id for call in calls} - {""})
    assert (FinishReason.TOOL_CALLS if calls else FinishReason.STOP) is reason
