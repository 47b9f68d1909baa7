"""Tools, formats and checks as users of the client have them, over a real server with the mock."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    CallPiece,
    Client,
    FinishReason,
    InvalidRequestError,
    Message,
    NonconformingError,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    Unsupported,
    tool_result,
    user,
)
from tests.fakes.llmsvc_command import run
from tests.fakes.scripted_answers import completed, response, started
from tests.fakes.scripted_service import ScriptedService
from tests.fakes.server_process import config_file, server_process

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
WEATHER = Tool("get_weather", PARAMETERS, "Tells the weather")
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
LONE_SURROGATE = "\ud800"


@pytest.fixture
async def mock(tmp_path: Path) -> AsyncIterator[str]:
    """Serve the mock; give the address."""
    tree = {"llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        yield server.address


async def test_a_round_trip_of_a_call(mock: str) -> None:
    async with Client(mock) as client:
        reply = await client.chat("Weather?", tools=[WEATHER], timeout_s=10)
        (call,) = reply.tool_calls
        turns = [user("Weather?"), reply.message, tool_result(call, "rain")]
        again = await client.chat(turns, tools=[WEATHER], timeout_s=10)

    assert ("get_weather", {"city": ""}) == (call.name, call.arguments())
    assert FinishReason.TOOL_CALLS is reply.finish_reason
    assert "" == reply.text
    assert [(call.id, True)] == [(one.tool_call_id, one.conforming) for one in reply.output_checks]
    assert "1 result of a tool" in again.text


async def test_a_streamed_call_is_told_in_pieces_and_whole(mock: str) -> None:
    async with Client(mock) as client, client.stream("Weather?", tools=[WEATHER]) as stream:
        pieces = [item async for item in stream]

    assert all(isinstance(one, CallPiece) and not one.text for one in pieces)
    calls = [one for one in pieces if isinstance(one, CallPiece)]
    (call,) = stream.reply.tool_calls
    assert [call.id] == [one.id for one in calls if one.id]
    assert call.arguments_json == "".join(one.arguments_json for one in calls)


async def test_a_format_is_filled_and_read(mock: str) -> None:
    def ask() -> object:
        with BlockingClient(mock) as client:
            return client.chat("Ada is 36", response_format=ResponseFormat(PERSON)).parsed()

    assert {"age": 0} == await asyncio.to_thread(ask)


async def test_all_that_may_be_said_is_sent(service: ScriptedService, client: Client) -> None:
    service.scripts = [[response("x")]]
    await client.chat(
        "hi",
        tools=[WEATHER, Tool("now", '{"type":"object"}', conformance_required=True), Tool("bare")],
        tool_choice=ToolChoice(mode=ToolMode.REQUIRED, allowed=["now"], single_call=True),
        response_format=ResponseFormat(PERSON, "person", conformance_required=True),
        on_unsupported=Unsupported.EMULATE,
    )
    sent = service.calls[0].request
    weather, now, bare = (tool.function for tool in sent.tools)

    assert ("get_weather", "Tells the weather") == (weather.name, weather.description)
    assert PARAMETERS == json.loads(weather.parameters_json_schema)
    assert ('{"type":"object"}', True) == (now.parameters_json_schema, now.conformance_required)
    assert "" == bare.parameters_json_schema
    assert llm_pb2.ToolChoice.MODE_REQUIRED == sent.tool_choice.mode
    assert (["now"], True) == (
        list(sent.tool_choice.allowed_function_names),
        sent.tool_choice.single_call,
    )
    assert "person" == sent.response_format.json_schema.name
    assert sent.response_format.json_schema.conformance_required
    assert llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE == sent.unsupported_feature_action


async def test_any_object_is_a_format(service: ScriptedService, client: Client) -> None:
    service.scripts = [[response("{}")]]
    reply = await client.chat("hi", response_format=ResponseFormat())

    assert service.calls[0].request.response_format.HasField("json_object")
    assert {} == reply.parsed()


async def test_nothing_is_sent_where_nothing_is_said(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("x")]]
    await client.chat("hi")
    sent = service.calls[0].request

    assert not sent.tools
    assert not sent.HasField("tool_choice")
    assert not sent.HasField("response_format")


async def test_a_result_of_a_failed_tool_is_sent_as_one(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("x")]]
    call = ToolCall("c1", "f", '{"a": 1.50}')
    turns = [user("hi"), Message(Role.ASSISTANT, parts=["Hm.", call])]
    await client.chat([*turns, tool_result("c1", "no", failed=True)])
    _, of_model, of_tool = service.calls[0].request.messages

    assert ["Hm.", ""] == [part.text for part in of_model.parts]
    assert ("c1", "f", '{"a": 1.50}') == (
        of_model.parts[1].tool_call.id,
        of_model.parts[1].tool_call.name,
        of_model.parts[1].tool_call.arguments_json,
    )
    assert llm_pb2.ROLE_TOOL == of_tool.role
    assert of_tool.parts[0].tool_result.failed


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tools": [Tool(LONE_SURROGATE)]}, "tools[0].function.name"),
        (
            {"tools": [Tool("f", {"a": {1}})]},
            "tools[0].function.parameters_json_schema",
        ),
        ({"tools": [Tool("f", description=LONE_SURROGATE)]}, "tools[0].function.description"),
        ({"tool_choice": ToolChoice(mode="no")}, "tool_choice.mode"),  # type: ignore[arg-type]
        (
            {"tool_choice": ToolChoice(allowed=[LONE_SURROGATE])},
            "tool_choice.allowed_function_names",
        ),
        (
            {"response_format": ResponseFormat("{", LONE_SURROGATE)},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": ResponseFormat(LONE_SURROGATE)},
            "response_format.json_schema.schema_json",
        ),
        ({"on_unsupported": "pray"}, "unsupported_feature_action"),
    ],
)
async def test_what_cant_be_sent_is_named(
    client: Client, options: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await client.chat("hi", **options)  # type: ignore[arg-type]  # on purpose

    assert [field] == [one.field for one in refused.value.violations]


async def test_a_tool_is_a_tool(client: Client) -> None:
    with pytest.raises(TypeError, match=r"tools\[0\] is a dict, not a Tool"):
        await client.chat("hi", tools=[{"name": "f"}])  # type: ignore[list-item]  # on purpose


async def test_what_does_not_conform_is_not_parsed(
    service: ScriptedService, client: Client
) -> None:
    answer = response("SECRET")
    answer.output_checks.add(conforming=False).violations.add(pointer="/age", keyword="type")
    service.scripts = [[answer], [response("SECRET")]]
    reply = await client.chat("hi")
    with pytest.raises(NonconformingError, match=r"^the answer does not conform: /age \(type\)$"):
        reply.parsed()
    reply = await client.chat("hi")
    with pytest.raises(NonconformingError, match=r"the answer \(json\)$"):
        reply.parsed()


def test_arguments_are_an_object() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        ToolCall("1", "f", "[1]").arguments()


def test_no_content_is_in_a_repr() -> None:
    told = repr([ToolCall("1", "f", "SECRET"), ToolResult("1", "SECRET"), Tool("f", "SECRET")])

    assert "SECRET" not in told


async def test_a_streamed_part_of_a_newer_call_is_not_sent(
    service: ScriptedService, client: Client
) -> None:
    newer = llm_pb2.PartDelta(tool_call=llm_pb2.ToolCallDelta(id="1", name="f"))
    newer.tool_call.MergeFromString(b"\x98\x06\x01")
    service.scripts = [[started(), llm_pb2.ChatStreamResponse(delta=newer), completed()]]
    async with client.stream("hi") as stream:
        _ = [item async for item in stream]

    assert () == stream.reply.tool_calls
    with pytest.raises(InvalidRequestError):
        await client.chat([user("hi"), stream.reply.message, user("go on")])


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
