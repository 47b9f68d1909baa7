"""A Node client with @grpc/grpc-js, which reads the contract itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import done, token
from tests.interop.programs import ROOT, missing, program
from tests.interop.running import run

pytestmark = pytest.mark.interop

FOLDER = ROOT / "tests/interop/node"


@pytest.fixture(scope="module")
def node() -> Path:
    """Return the program, once its packages are there too."""
    if not (FOLDER / "node_modules/.fetched").exists():
        missing("the Node client's packages are")
    return program("node")


async def client(node: Path, what: str, address: str) -> dict[str, Any]:
    ran = await run(node, FOLDER / "client.js", what, address, ROOT / "protos")
    assert 0 == ran.code, ran.err
    said: dict[str, Any] = json.loads(ran.out)
    return said


async def test_chat_is_answered(node: Path, mocked: str) -> None:
    said = await client(node, "chat", mocked)

    assert said["text"].startswith("CANNED ANSWER")
    assert "PROVIDER_KIND_MOCK" == said["kind"]


async def test_a_stream_comes_event_by_event(node: Path, mocked: str) -> None:
    said = await client(node, "stream", mocked)
    first, *deltas, last = said["kinds"]

    assert ("started", {"delta"}, "completed") == (first, set(deltas), last)
    assert said["text"].startswith("CANNED ANSWER")
    assert "PROVIDER_KIND_MOCK" == said["kind"]


async def test_a_tool_is_called_and_its_result_told_of(node: Path, mocked: str) -> None:
    said = await client(node, "tool", mocked)

    assert ("FINISH_REASON_TOOL_CALLS", "get_weather") == (said["reason"], said["name"])
    assert ["city"] == list(said["arguments"])
    assert "1 result of a tool" in said["text"]


async def test_an_answer_conforms_to_a_schema(node: Path, mocked: str) -> None:
    said = await client(node, "schema", mocked)

    assert ["age"] == list(said["document"])
    assert [True] == said["conforming"]


async def test_an_error_has_details_that_decode(node: Path, mocked: str) -> None:
    said = await client(node, "refused", mocked)

    assert {"code": "INVALID_ARGUMENT", "reason": "INVALID_REQUEST", "fields": ["messages"]} == said


async def test_health_is_told(node: Path, mocked: str) -> None:
    assert {"status": "SERVING"} == await client(node, "ready", mocked)
    assert "NOT_FOUND" == (await client(node, "unknown", mocked))["code"]


async def test_a_cancelled_stream_stops_the_model(
    node: Path, over_ollama: str, ollama: FakeOllama
) -> None:
    ollama.will(token("a"), Gate(), done())
    said = await client(node, "leave", over_ollama)
    await ollama.client_gone(1)

    assert ("a", "CANCELLED") == (said["text"], said["code"])
