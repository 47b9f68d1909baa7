"""Tools and schemas on the command line, over real servers: one with the mock, one with a script."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.llmsvc_command import run
from tests.fakes.scripted_answers import completed, response, started
from tests.fakes.scripted_service import ScriptedService
from tests.fakes.server_process import config_file, server_process

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.fixture
async def mock(tmp_path: Path) -> AsyncIterator[str]:
    """Serve the mock; give the address."""
    tree = {"llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        yield server.address


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Have a tool in either form, and a schema."""
    given = {"name": "get_weather", "description": "Tells", "parameters": PARAMETERS}
    (tmp_path / "weather.json").write_text(json.dumps(given))
    (tmp_path / "openai.json").write_text(json.dumps({"type": "function", "function": given}))
    (tmp_path / "person.json").write_text(json.dumps(PERSON))
    return tmp_path


@pytest.mark.parametrize("name", ["weather.json", "openai.json"])
async def test_the_command_prints_a_call_as_one_line(mock: str, files: Path, name: str) -> None:
    result = await run("chat", "Weather?", "--tool", str(files / name), "--emulate", address=mock)

    assert 0 == result.code
    assert {"id": "call_canned_1", "name": "get_weather", "arguments": {"city": ""}} == json.loads(
        result.out
    )
    assert 1 == result.out.count("\n")


async def test_the_command_prints_json_that_conforms(mock: str, files: Path) -> None:
    schema = str(files / "person.json")
    result = await run("chat", "Ada is 36", "--schema", schema, "--degrade", address=mock)

    assert (0, {"age": 0}) == (result.code, json.loads(result.out))


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_the_command_says_where_an_answer_does_not_conform(
    service: ScriptedService, files: Path, form: list[str]
) -> None:
    end = completed()
    for answer in (end.completed, whole := response("x")):
        answer.output_checks.add(conforming=False).violations.add(pointer="/age", keyword="type")
    service.scripts = [[whole]] if form else [[started(), end]]
    schema = str(files / "person.json")
    result = await run("chat", "hi", "--schema", schema, *form, address=service.address)

    assert 6 == result.code
    assert "/age" in (result.out if form else result.err)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "name: missing"),
        ('{"function": 1}', "name: missing"),
        ('{"name": "f", "description": 1}', "description: not a text"),
        ('{"name": "f", "parameters": 1}', "parameters: not a JSON Schema"),
        ("[" * 100_000, "not JSON"),
        (" " * 1_048_577, "more than 1048576 bytes"),
        (b"\xff", "not UTF-8"),
    ],
)
async def test_a_file_that_is_no_tool_is_named_with_what_is_wrong(
    tmp_path: Path, text: str | bytes | None, problem: str
) -> None:
    path = tmp_path / "tool.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = await run("chat", "hi", "--tool", str(path), address="127.0.0.1:1")

    assert 2 == result.code
    assert f"{path}: {problem}" in result.err


async def test_what_a_model_lacks_is_imitated_or_left_out(files: Path) -> None:
    tool = str(files / "weather.json")
    result = await run(
        "chat", "hi", "--tool", tool, "--emulate", "--degrade", address="127.0.0.1:1"
    )

    assert 2 == result.code
    assert "give one of them" in result.err
