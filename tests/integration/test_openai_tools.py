"""What a caller of the adapter gets of tools and formats, and what servers of several makes refuse."""

from dataclasses import replace

import pytest

from llmsvc_server.chat.features import (
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.chat.route import Locality
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import refuse, reply
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import answer_of

MODEL = "llama-3"
SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
WEATHER = Tool(name="get_weather", parameters_json_schema=SCHEMA)
OFFER = Features(tools=(WEATHER,))
FORCED = Features(tools=(WEATHER,), choice=ToolChoice(mode=ChoiceMode.REQUIRED, single_call=True))
ANY_OBJECT = Features(response_format=ResponseFormat())


def asking(features: Features, *messages: Message) -> ChatRequest:
    request = chat_request("Weather?", model=MODEL)
    return replace(
        request,
        messages=(*request.messages, *messages),
        features=features,
        is_plain=False,
    )


@pytest.mark.parametrize("locality", Locality)
async def test_a_call_and_its_result_go_round(locality: Locality) -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, locality=locality) as provider,
    ):
        fake.arguments = '{"city": "Oslo"}'
        [call], done = await answer_of(provider, asking(OFFER))
        assert isinstance(call, ToolCall)
        turns = (
            Message(role=Role.ASSISTANT, parts=(call,)),
            Message(role=Role.TOOL, parts=(ToolResult(call_id=call.id, content="11 C"),)),
        )
        answer, last = await answer_of(provider, asking(OFFER, *turns))

    assert (
        ToolCall(id="call_of_the_fake", name="get_weather", arguments_json='{"city": "Oslo"}')
        == call
    )
    assert FinishReason.TOOL_CALLS is done.finish_reason
    assert ((fake.answer,), FinishReason.STOP) == (answer, last.finish_reason)


async def test_the_vendor_gets_the_word_that_it_wants() -> None:
    async with (
        FakeOpenai(models=(MODEL,), is_openai=True) as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE, is_openai=True) as provider,
    ):
        await answer_of(provider, asking(ANY_OBJECT))

        assert 1 == len(fake.chats)


NAMED = {"type": "function", "function": {"name": "get_weather"}}
ANY_OBJECTS_SCHEMA = {"name": "response", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("locality", "features", "refusal", "key", "used"),
    [
        pytest.param(
            Locality.LOCAL,
            ANY_OBJECT,
            reply({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400),
            "response_format",
            [
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": ANY_OBJECTS_SCHEMA},
            ],
            id="LM Studio knows no mode",
        ),
        pytest.param(
            Locality.REMOTE,
            FORCED,
            reply(
                {
                    "error": "Invalid tool_choice type: 'object'. Supported string values: none,"
                    " auto, required"
                },
                400,
            ),
            "tool_choice",
            [NAMED, "required"],
            id="LM Studio behind a public address knows words",
        ),
        pytest.param(
            Locality.LOCAL,
            FORCED,
            reply(
                {
                    "object": "error",
                    "message": "[{'type': 'value_error', 'loc': ('body',), 'msg': 'Value error,"
                    " Currently only named tools are supported.'}]",
                    "code": 400,
                },
                400,
            ),
            "tool_choice",
            ["required", NAMED],
            id="an old vLLM knows names",
        ),
        pytest.param(
            Locality.REMOTE,
            FORCED,
            refuse(
                400,
                "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
                code="unsupported_parameter",
                param="parallel_tool_calls",
            ),
            "parallel_tool_calls",
            [False, None],
            id="OpenAI's models that reason make one call by themselves",
        ),
    ],
)
async def test_a_server_that_knows_another_spelling_is_asked_in_that(
    locality: Locality, features: Features, refusal: object, key: str, used: list[object]
) -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(
            fake.base_url, locality=locality, is_openai=locality is Locality.REMOTE
        ) as provider,
    ):
        fake.arguments = "{}"
        fake.will(refusal)  # type: ignore[arg-type]  # pytest's parameters are objects
        await answer_of(provider, asking(features))
        await answer_of(provider, asking(features))

        assert [*used, used[-1]] == [chat.json.get(key) for chat in fake.chats]


async def test_mistrals_ids_are_short() -> None:
    turns = (
        Message(
            role=Role.ASSISTANT,
            parts=(ToolCall(id="call_1", name="get_weather", arguments_json="{}"),),
        ),
        Message(role=Role.TOOL, parts=(ToolResult(call_id="call_1", content="11 C"),)),
    )
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE) as provider,
    ):
        wrong = "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."
        fake.will(reply({"object": "error", "message": wrong, "code": "3280"}, 400))
        await answer_of(provider, asking(OFFER, *turns))

        ids = [chat.json["messages"][2]["tool_call_id"] for chat in fake.chats]  # type: ignore[index]

    assert ["call_1", 9] == [ids[0], len(ids[1])]


async def test_a_schema_that_cannot_be_kept_to_teaches_nothing() -> None:
    strict = SCHEMA[:-1] + ',"required":["city"],"additionalProperties":false}'
    shape = Features(response_format=ResponseFormat(json_schema=strict))
    async with (
        FakeOpenai(models=(MODEL,), is_openai=True) as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE, is_openai=True) as provider,
    ):
        fake.will(refuse(400, "Invalid schema for response_format 'response': no."))
        await answer_of(provider, asking(shape))
        await answer_of(provider, asking(shape))

        sent = [chat.json["response_format"]["json_schema"] for chat in fake.chats]  # type: ignore[index]

    assert [True, None, True] == [one.get("strict") for one in sent]


@pytest.mark.parametrize(
    ("features", "field", "refusal"),
    [
        (OFFER, "tools", refuse(500, "tools param requires --jinja flag", type="server_error")),
        (
            ANY_OBJECT,
            "response_format",
            refuse(400, "This response_format type is unavailable now"),
        ),
    ],
)
async def test_what_a_server_has_not_is_refused_and_named(
    features: Features, field: str, refusal: object
) -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refusal)  # type: ignore[arg-type]  # pytest's parameters are objects
        with pytest.raises(ProviderError) as caught:
            await answer_of(provider, asking(features))

        assert (ErrorKind.CAPABILITY, field) == (caught.value.kind, caught.value.param)
        assert 1 == len(fake.chats)


def test_nothing_is_missing_of_a_server_that_nobody_knows() -> None:
    provider = openai_at("http://127.0.0.1:9/v1")

    assert frozenset() == provider.missing(MODEL, frozenset(Capability))


def test_tools_are_missing_where_a_result_could_not_be_sent() -> None:
    provider = openai_at(
        "https://generativelanguage.googleapis.com/v1beta/openai", locality=Locality.REMOTE
    )

    assert frozenset({Capability.TOOLS}) == provider.missing(
        MODEL, frozenset({Capability.TOOLS, Capability.JSON_SCHEMA})
    )
