"""What a caller of the adapter gets of tools and formats, and what Anthropic refuses of them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from llmsvc_server.chat.features import (
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from llmsvc_server.routing.emulate import FORMATS, emulate
from llmsvc_server.routing.fit import needs_of
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_steps import answer, finish, message_start, refuse, tool_use
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import answer_of

KIND = "invalid_request_error"
UNFORCED = "claude-opus-5-5"
TOO_LARGE = (
    "The compiled grammar is too large, which would cause performance issues. Simplify your tool "
    "schemas or reduce the number of strict tools."
)
STRICT = (
    '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],'
    ' "additionalProperties": false}'
)
WEATHER = Tool(name="get_weather", parameters_json_schema=STRICT, conformance_required=True)
OFFER = Features(tools=(WEATHER,))
FORCED = replace(OFFER, choice=ToolChoice(mode=ChoiceMode.REQUIRED))
OSLO = '{"city": "Oslo"}'


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    """A server that refuses as the vendor does."""
    async with FakeAnthropic(models=(MODEL, UNFORCED)) as server:
        yield server


@pytest.fixture
async def provider(fake: FakeAnthropic) -> AsyncIterator[AnthropicProvider]:
    """The adapter."""
    async with anthropic_at(fake.base_url) as adapter:
        yield adapter


def asking(features: Features, *messages: Message, model: str = MODEL) -> ChatRequest:
    request = chat_request("Weather?", model=model)
    turns = (*request.messages, *messages)
    return replace(request, messages=turns, features=features, is_plain=False)


async def test_a_call_and_its_result_go_round(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    calls = message_start(), tool_use("get_weather", OSLO[:5], OSLO[5:]), finish("tool_use")
    fake.will(calls)
    [call], _ = await answer_of(provider, asking(OFFER))
    assert isinstance(call, ToolCall)
    fake.will(answer("11 degrees."))
    said, _ = await answer_of(
        provider,
        asking(
            OFFER,
            Message(role=Role.ASSISTANT, parts=(call,)),
            Message(role=Role.TOOL, parts=(ToolResult(call_id=call.id, content="11 C"),)),
        ),
    )

    assert ToolCall(id="toolu_1", name="get_weather", arguments_json=OSLO) == call
    assert ("11 degrees.",) == said


async def test_a_tool_that_is_too_much_for_a_grammar_is_asked_for_without_one(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.will(refuse(400, KIND, TOO_LARGE))
    fake.will(answer("Hm."))

    said, done = await answer_of(provider, asking(OFFER))

    assert (("Hm.",), ()) == (said, done.adjustments)
    first, second = (chat.body for chat in fake.chats)
    assert second == first.replace(b',"strict":true', b"")
    assert second != first


async def test_a_format_that_is_too_much_for_a_grammar_is_something_that_is_lacking(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.will(refuse(400, KIND, f"output_config.format.schema: Invalid schema: {TOO_LARGE}"))

    with pytest.raises(ProviderError) as failed:
        await answer_of(
            provider, asking(Features(response_format=ResponseFormat(json_schema=STRICT)))
        )

    assert (ErrorKind.CAPABILITY, "A08") == (failed.value.kind, failed.value.row)
    assert "response_format" == failed.value.param
    assert 1 == len(fake.chats)


async def test_a_choice_that_a_model_does_not_take_is_something_that_is_lacking(
    provider: AnthropicProvider,
) -> None:
    with pytest.raises(ProviderError) as failed:
        await answer_of(provider, asking(FORCED, model=UNFORCED))

    assert ErrorKind.CAPABILITY is failed.value.kind
    assert "tool_choice" == failed.value.param


async def test_a_schema_that_can_not_be_said_there_is_something_that_is_lacking(
    provider: AnthropicProvider,
) -> None:
    wanted = ResponseFormat(
        json_schema='{"type": "object", "additionalProperties": {"type": "string"}}'
    )
    with pytest.raises(ProviderError) as failed:
        await answer_of(provider, asking(Features(response_format=wanted)))

    assert ErrorKind.CAPABILITY is failed.value.kind


async def test_what_of_a_schema_is_not_enforced_is_told(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    wanted = ResponseFormat(
        json_schema='{"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}}'
    )
    fake.will(answer('{"n": 10}'))

    _, done = await answer_of(provider, asking(Features(response_format=wanted)))

    [told] = done.adjustments
    assert "response_format.json_schema.schema_json" == told.field


@pytest.mark.parametrize(
    ("features", "model", "is_held"),
    [
        pytest.param(FORCED, UNFORCED, True, id="a forced choice"),
        pytest.param(
            replace(OFFER, response_format=ResponseFormat()), MODEL, False, id="any object"
        ),
    ],
)
async def test_what_is_imitated_is_held_to_what_can_be_said(
    fake: FakeAnthropic,
    provider: AnthropicProvider,
    features: Features,
    model: str,
    *,
    is_held: bool,
) -> None:
    request = asking(features, model=model)
    missing = provider.missing(model, needs_of(request))
    imitation = emulate(request, missing, provider.missing(model, FORMATS))

    _, done = await answer_of(provider, imitation.request)

    assert missing
    assert not done.adjustments
    assert is_held == ("output_config" in fake.chats[-1].json)
