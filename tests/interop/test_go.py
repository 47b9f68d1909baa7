"""A Go client with generated stubs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import End, die_after, done, token
from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import ROOT, program
from tests.interop.running import run

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
async def go(workshop: GoWorkshop) -> Path:
    """Return the built client."""
    return await workshop.build("client")


async def client(built: Path, what: str, address: str) -> dict[str, Any]:
    ran = await run(built, what, address)
    assert 0 == ran.code, ran.err
    said: dict[str, Any] = json.loads(ran.out)
    return said


async def test_it_is_formatted() -> None:
    ran = await run(program("gofmt"), "-l", ROOT / "tests/interop/go")

    assert ("", "") == (ran.out, ran.err)


async def test_chat_is_answered(go: Path, mocked: str) -> None:
    said = await client(go, "chat", mocked)

    assert said["text"].startswith("CANNED ANSWER")
    assert "PROVIDER_KIND_MOCK" == said["kind"]


async def test_a_tool_is_called_and_its_result_told_of(go: Path, mocked: str) -> None:
    said = await client(go, "tool", mocked)
    reason, name, arguments = said["kinds"]

    assert ("FINISH_REASON_TOOL_CALLS", "get_weather") == (reason, name)
    assert ["city"] == list(json.loads(arguments))
    assert "1 result of a tool" in said["text"]


async def test_an_answer_conforms_to_a_schema(go: Path, mocked: str) -> None:
    said = await client(go, "schema", mocked)

    assert ["city"] == list(json.loads(said["text"]))
    assert ["conforming"] == said["kinds"]


async def test_a_stream_comes_event_by_event(go: Path, mocked: str) -> None:
    said = await client(go, "stream", mocked)
    first, *deltas, last = said["kinds"]

    assert ("started", {"delta"}, "completed") == (first, set(deltas), last)
    assert said["text"].startswith("CANNED ANSWER")


async def test_an_error_has_details_that_decode(go: Path, mocked: str) -> None:
    said = await client(go, "refused", mocked)

    assert ("InvalidArgument", "INVALID_REQUEST") == (said["code"], said["reason"])
    assert ["messages"] == said["fields"]


async def test_a_broken_stream_says_who_was_answering(
    go: Path, over_ollama: str, ollama: FakeOllama
) -> None:
    ollama.will(die_after(1, End.CUT))
    said = await client(go, "stream", over_ollama)

    assert ["started", "delta"] == said["kinds"]
    assert ("Aborted", "STREAM_INTERRUPTED") == (said["code"], said["reason"])
    assert ("provider", "ollama") == (said["metadata"]["cause"], said["provider"])


async def test_a_cancelled_stream_stops_the_model(
    go: Path, over_ollama: str, ollama: FakeOllama
) -> None:
    ollama.will(token("a"), Gate(), done())
    said = await client(go, "leave", over_ollama)
    await ollama.client_gone(1)

    assert ("a", "Canceled") == (said["text"], said["code"])
