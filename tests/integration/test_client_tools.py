"""Tools, formats and checks as users of the client have them, over a real server with the mock."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
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
    SchemaViolation,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    Unsupported,
    tool_result,
    user,
)
from tests.fakes.scripted_answers import completed, piece, response, rich, started
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
ENDLESS: dict[str, object] = {}
ENDLESS["SECRET"] = ENDLESS


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
            {"response_format": ResponseFormat(conformance_required=True)},
            "response_format.json_object",
        ),
        (
            {"response_format": ResponseFormat("{", LONE_SURROGATE)},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": ResponseFormat(LONE_SURROGATE)},
            "response_format.json_schema.schema_json",
        ),
        (
            {"response_format": ResponseFormat(ENDLESS)},
            "response_format.json_schema.schema_json",
        ),
        ({"on_unsupported": "pray"}, "unsupported_feature_action"),
        (
            {"tools": [Tool("f", conformance_required="x")]},  # type: ignore[arg-type]
            "tools[0].function.conformance_required",
        ),
    ],
)
async def test_what_cant_be_sent_is_named(
    client: Client, options: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await client.chat("hi", **options)  # type: ignore[arg-type]  # on purpose

    assert [field] == [one.field for one in refused.value.violations]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tools": [{"name": "f"}]}, r"tools\[0\] is a dict, not a Tool"),
        ({"tool_choice": "required"}, r"tool_choice is a str: write ToolChoice\("),
        ({"response_format": PERSON}, r"response_format is a dict: write ResponseFormat\("),
    ],
)
async def test_a_value_of_another_type_says_what_to_write(
    client: Client, options: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        await client.chat("hi", **options)  # type: ignore[arg-type]  # on purpose


async def test_one_name_is_not_taken_for_a_list_of_letters(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("x")]]
    await client.chat("hi", tool_choice=ToolChoice(allowed="now"))

    assert ["now"] == list(service.calls[0].request.tool_choice.allowed_function_names)


async def test_what_does_not_conform_is_not_parsed(
    service: ScriptedService, client: Client
) -> None:
    answer = response("SECRET")
    answer.output_checks.add(conforming=False).violations.add(pointer="/age", keyword="type")
    service.scripts = [[answer]]
    reply = await client.chat("hi")
    with pytest.raises(NonconformingError, match="does not conform to the schema") as caught:
        reply.parsed()
    error = caught.value
    assert (SchemaViolation("/age", "type"),) == error.violations
    assert ("MODEL_OUTPUT_INVALID", "responseFormat", "req-1") == (
        error.reason,
        error.cause,
        error.request_id,
    )
    assert (reply.text, reply.usage, False) == (error.partial, error.usage, error.retryable)
    assert "/age" not in str(error) + repr(error.violations) + repr(reply)


@pytest.mark.parametrize("text", ["SECRET", "", '{"SECRET": ', "[NaN]", "[" * 100_000])
async def test_what_is_no_json_is_not_parsed(
    service: ScriptedService, client: Client, text: str
) -> None:
    service.scripts = [[response(text)]]
    reply = await client.chat("hi")
    with pytest.raises(NonconformingError, match="is no JSON") as caught:
        reply.parsed()

    assert (SchemaViolation("", "json"),) == caught.value.violations
    assert caught.value.__cause__ is None
    assert "SECRET" not in str(caught.value)


async def test_a_call_that_does_not_conform_is_no_matter_of_the_text(
    service: ScriptedService, client: Client
) -> None:
    answer = response("[1]")
    answer.output_checks.add(tool_call_id="call_1").violations.add(keyword="type")
    service.scripts = [[answer]]

    assert [1] == (await client.chat("hi")).parsed()


REFUSED = rich(
    grpc.StatusCode.ABORTED,
    "MODEL_OUTPUT_INVALID",
    llm_pb2.Usage(output_tokens=3),
    metadata={"cause": "responseFormat"},
    pushback_ms=-1,
)


async def test_what_the_server_refuses_of_an_answer_has_a_type_of_its_own(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[REFUSED]]
    with pytest.raises(NonconformingError) as caught:
        await client.chat("hi")

    error = caught.value
    assert ("responseFormat", "", ()) == (error.cause, error.partial, error.violations)
    assert error.usage is not None
    assert 3 == error.usage.output_tokens


async def test_a_stream_has_it_after_its_text(service: ScriptedService, client: Client) -> None:
    service.scripts = [[started(), piece("half"), REFUSED]]
    async with client.stream("hi") as stream:
        with pytest.raises(NonconformingError) as caught:
            _ = [item async for item in stream]

    assert "half" == caught.value.partial == stream.text
    assert not caught.value.retryable


async def test_a_newer_servers_call_is_read_and_sent_back_to_the_byte(
    service: ScriptedService, client: Client
) -> None:
    answer = response("Let me see.")
    added = answer.message.parts.add()
    added.tool_call.id, added.tool_call.name = "call_1", "f"
    added.tool_call.arguments_json = '{"n":  9007199254740993}'
    added.MergeFromString(b"\x3a\x06SECRET")  # field 7
    service.scripts = [[answer]]

    reply = await client.chat("hi", tools=[WEATHER])
    (call,) = reply.tool_calls
    await client.chat([user("hi"), reply.message, tool_result(call, "x")], tools=[WEATHER])

    assert {"n": 2**53 + 1} == call.arguments()
    assert answer.message == service.calls[1].request.messages[1]
    assert "SECRET" not in repr(reply.message.parts)


@pytest.mark.parametrize(
    "written",
    ["[1]", "", "SECRET", '{"a": NaN}', "[" * 100_000, '{"a": ' + "9" * 5_000],
    ids=lambda written: written[:9],
)
def test_arguments_are_an_object(written: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  any text but the model's
        ToolCall("1", "f", written).arguments()

    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


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

    assert [("1", "f")] == [(call.id, call.name) for call in stream.reply.tool_calls]
    with pytest.raises(InvalidRequestError):
        await client.chat([user("hi"), stream.reply.message, user("go on")])
