"""Tools and schemas on the command line, over real servers: one with the mock, one with a script."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.llmsvc_command import begun, ended, run
from tests.fakes.scripted_answers import completed, piece, response, rich, started
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
        ("{", "not JSON: look at line 1, column 2"),
        ("[]", "not a JSON object"),
        ("{}", "name: missing"),
        ('{"function": 1}', "function: not an object"),
        ('{"function": {"name": 1}}', "function.name: not a text"),
        ('{"function": {}}', "function.name: missing"),
        ('{"function": {"name": "f"}, "name": "f"}', "name: not known beside function"),
        ('{"name": "f", "input_schema": {}}', "input_schema: not known"),
        ('{"name": "f", "description": 1}', "description: not a text"),
        ('{"name": "f", "parameters": 1}', "parameters: not a JSON Schema"),
        ("[" * 100_000, "not JSON"),
        ('{"name": NaN}', "not JSON: NaN"),
        ('{"name": ' + "9" * 5_000 + "}", "not JSON that can be read: an integer is too long\n"),
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

    assert (2, "") == (result.code, result.out)
    assert f"{path}: {problem}" in result.err


async def test_a_file_that_is_no_schema_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text('{\n"type": }')
    result = await run("chat", "hi", "--schema", str(path), address="127.0.0.1:1")

    assert 2 == result.code
    assert f"{path}: not JSON: look at line 2, column 9" in result.err


async def test_a_schema_is_sent_as_it_is_written(service: ScriptedService, tmp_path: Path) -> None:
    written = '\ufeff{"b": 1.0,\n "a" : 1e400}\n'
    (tmp_path / "schema.json").write_text(written)
    service.scripts = [[started(), completed()]]
    await run("chat", "hi", "--schema", str(tmp_path / "schema.json"), address=service.address)

    sent = service.calls[0].request.response_format.json_schema
    assert (written[1:], False) == (sent.schema_json, sent.conformance_required)


async def test_a_schema_may_come_out_of_a_pipe(service: ScriptedService) -> None:
    service.scripts = [[started(), completed()]]
    pipe, into = os.pipe()
    os.write(into, b'{"type":"object"}')
    os.close(into)
    arguments = ("chat", "hi", "--schema", "/dev/stdin")
    result = await ended(await begun(*arguments, address=service.address, stdin=pipe))
    os.close(pipe)
    sent = service.calls[0].request.response_format.json_schema

    assert (0, '{"type":"object"}') == (result.code, sent.schema_json)


async def test_what_a_model_lacks_is_imitated_or_left_out(files: Path) -> None:
    tool = str(files / "weather.json")
    result = await run(
        "chat", "hi", "--tool", tool, "--emulate", "--degrade", address="127.0.0.1:1"
    )

    assert 2 == result.code
    assert "give one of them" in result.err


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("auto", llm_pb2.ToolChoice(mode=llm_pb2.ToolChoice.MODE_AUTO)),
        ("none", llm_pb2.ToolChoice(mode=llm_pb2.ToolChoice.MODE_NONE)),
        ("required", llm_pb2.ToolChoice(mode=llm_pb2.ToolChoice.MODE_REQUIRED)),
        (
            "get_weather",
            llm_pb2.ToolChoice(
                mode=llm_pb2.ToolChoice.MODE_REQUIRED, allowed_function_names=["get_weather"]
            ),
        ),
    ],
)
async def test_the_choice_is_sent(
    service: ScriptedService, files: Path, word: str, choice: llm_pb2.ToolChoice
) -> None:
    service.scripts = [[started(), completed()]]
    tool = str(files / "weather.json")
    arguments = ["chat", "hi", "--tool", tool, "--tool-choice", word]
    await run(*arguments, address=service.address)

    assert choice == service.calls[0].request.tool_choice


def calling(arguments: str) -> llm_pb2.ChatResponse:
    """Return a whole answer with a text and a call whose arguments do not conform."""
    answer = response("Let me see.")
    call = answer.message.parts.add().tool_call
    call.id, call.name, call.arguments_json = "call_1", "get_weather", arguments
    answer.output_checks.add(tool_call_id="call_1").violations.add(keyword="required")
    answer.finish_reason = llm_pb2.FINISH_REASON_TOOL_CALLS
    return answer


async def test_what_is_required_to_conform_is_asked_for_whole(
    service: ScriptedService, files: Path
) -> None:
    answer = calling('{"n": 9007199254740993,\r\n "town": "Zürich"}')
    service.scripts = [[answer]]
    arguments = ["--tool", str(files / "weather.json"), "--schema", str(files / "person.json")]
    result = await run("chat", "-v", "hi", *arguments, "--strict", address=service.address)

    call = service.calls[0]
    assert call.request.tools[0].function.conformance_required
    assert call.request.response_format.json_schema.conformance_required
    assert (
        "Let me see.\n"
        '{"id": "call_1", "name": "get_weather", "arguments": '
        '{"n": 9007199254740993,   "town": "Zürich"}}\n'
    ) == result.out
    assert 6 == result.code
    assert (
        "llmsvc: call call_1 of get_weather does not conform to its schema: required at the top"
        == result.err.splitlines()[-1]
    )
    assert "it asks for tools" in result.err
    assert "check: call call_1 of get_weather does not conform to its schema\n" in result.err


@pytest.mark.parametrize(
    ("cause", "code", "remedy"),
    [("responseFormat", 6, "without --strict"), ("toolCall", 6, "Ask again"), ("", 1, "")],
)
async def test_what_the_server_refuses_of_an_answer_has_its_own_exit_code(
    service: ScriptedService, files: Path, cause: str, code: int, remedy: str
) -> None:
    metadata = {"cause": cause} if cause else {}
    refused = rich(grpc.StatusCode.ABORTED, "MODEL_OUTPUT_INVALID", metadata=metadata)
    service.scripts = [[refused]]
    schema = str(files / "person.json")
    result = await run("chat", "hi", "--schema", schema, "--strict", address=service.address)

    assert (code, "") == (result.code, result.out)
    assert remedy in result.err


async def test_a_stream_that_is_refused_at_its_end_has_it_too(service: ScriptedService) -> None:
    metadata = {"cause": "toolCall"}
    refused = rich(
        grpc.StatusCode.ABORTED, "MODEL_OUTPUT_INVALID", metadata=metadata, pushback_ms=-1
    )
    service.scripts = [[started(), piece("half"), refused]]
    result = await run("chat", "hi", address=service.address)

    assert (6, "half\n") == (result.code, result.out)


async def test_arguments_that_are_no_json_are_not_shown_as_such(service: ScriptedService) -> None:
    delta = llm_pb2.PartDelta(
        tool_call=llm_pb2.ToolCallDelta(id="1", name="f", arguments_json="\x1b[2J")
    )
    service.scripts = [[started(), llm_pb2.ChatStreamResponse(delta=delta), completed()]]
    result = await run("chat", "hi", address=service.address)

    assert (1, "") == (result.code, result.out)
    assert "can't be shown as JSON" in result.err


async def test_all_that_conforms_is_told_on_demand(mock: str, files: Path) -> None:
    schema = str(files / "person.json")
    result = await run("chat", "-v", "Ada", "--schema", schema, "--strict", address=mock)

    assert (0, '{"age":0}\n') == (result.code, result.out)
    assert "check: the answer conforms to its schema\n" in result.err


@pytest.mark.parametrize("keyword", ["json", "truncated", "unchecked"])
async def test_words_that_are_no_keywords_are_explained(
    service: ScriptedService, keyword: str
) -> None:
    end = completed()
    end.completed.output_checks.add().violations.add(keyword=keyword)
    service.scripts = [[started(), piece("x"), end]]
    result = await run("chat", "hi", address=service.address)

    assert 6 == result.code
    assert f"the answer does not conform to its schema: {keyword}, it " in result.err


async def test_what_does_not_conform_nowhere_is_told_all_the_same(service: ScriptedService) -> None:
    end = completed()
    end.completed.output_checks.add()
    service.scripts = [[started(), piece("x"), end]]
    result = await run("chat", "hi", address=service.address)

    assert 6 == result.code
    assert "llmsvc: the answer does not conform to its schema\n" in result.err
