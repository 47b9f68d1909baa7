"""What a request needs besides text, who is asked for it, and what is left where nobody has it."""

from dataclasses import replace

import pytest

from llmsvc_server.chat.features import (
    NO_FEATURES,
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
    UnsupportedAction,
)
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.fit import degrade, fields_of, lacking, needs_of
from llmsvc_server.routing.plan import Planner
from llmsvc_server.routing.targets import Candidate, Targets
from tests.fakes.requests import chat_request
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.plans import LOCAL_ONLY, cloud, local, planned, scripted, seen

TOOLS, FORCED = Capability.TOOLS, Capability.FORCED_CHOICE
HISTORY = Capability.CALL_HISTORY
ANY_JSON, SCHEMA = Capability.JSON_OBJECT, Capability.JSON_SCHEMA
ALL = frozenset(Capability)

ADD, SUB = Tool(name="add"), Tool(name="sub")
TWO = (ADD, SUB)
REQUIRED = ToolChoice(mode=ChoiceMode.REQUIRED)
OBJECT = ResponseFormat()
POINT = ResponseFormat(json_schema='{"type":"object"}')


def choice(mode: ChoiceMode, *allowed: str) -> ToolChoice:
    return ToolChoice(mode=mode, allowed=allowed)


@pytest.mark.parametrize(
    ("features", "needs"),
    [
        (NO_FEATURES, set()),
        (Features(tools=TWO), {TOOLS}),
        (Features(tools=TWO, choice=choice(ChoiceMode.AUTO, "add")), {TOOLS}),
        (Features(tools=TWO, choice=choice(ChoiceMode.NONE)), set()),
        (Features(tools=TWO, choice=REQUIRED), {TOOLS, FORCED}),
        (Features(tools=TWO, choice=choice(ChoiceMode.REQUIRED, "add")), {TOOLS, FORCED}),
        (Features(response_format=OBJECT), {ANY_JSON}),
        (Features(response_format=POINT), {SCHEMA}),
        (Features(tools=TWO, response_format=POINT), {TOOLS, SCHEMA}),
    ],
)
def test_a_request_needs_what_it_asks_for(features: Features, needs: set[Capability]) -> None:
    assert needs == needs_of(chat_request(features=features))


EVERYTHING = Features(tools=TWO, choice=REQUIRED, response_format=POINT)


@pytest.mark.parametrize(
    ("missing", "left", "fields"),
    [
        ({TOOLS}, Features(response_format=POINT), ["tools"]),
        ({TOOLS, FORCED}, Features(response_format=POINT), ["tools"]),
        (
            {FORCED},
            replace(EVERYTHING, choice=ToolChoice(mode=ChoiceMode.AUTO)),
            ["tool_choice"],
        ),
        ({SCHEMA}, replace(EVERYTHING, response_format=None), ["response_format"]),
        (
            {FORCED, SCHEMA},
            Features(tools=TWO),
            ["tool_choice", "response_format"],
        ),
    ],
)
def test_what_is_missing_is_left_out_and_told_once(
    missing: set[Capability], left: Features, fields: list[str]
) -> None:
    request, adjustments = degrade(chat_request(features=EVERYTHING), missing)

    assert left == request.features
    assert not request.is_plain
    assert [("ignored", field) for field in fields] == [
        (one.action, one.field) for one in adjustments
    ]


def test_allowed_names_outlive_a_choice_that_is_left_out() -> None:
    features = Features(tools=TWO, choice=choice(ChoiceMode.REQUIRED, "add"))
    request, _ = degrade(chat_request(features=features), {FORCED})

    assert (ADD,) == request.features.offered
    assert {TOOLS} == needs_of(request)


def test_what_is_left_of_texts_alone_is_plain() -> None:
    request, _ = degrade(chat_request(features=EVERYTHING), ALL)

    assert request.features is NO_FEATURES
    assert request.is_plain


TURNS = (
    Message(role=Role.ASSISTANT, parts=(ToolCall(id="1", name="add", arguments_json="{}"),)),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="1", content="3"),)),
)


def with_calls(request: ChatRequest) -> ChatRequest:
    return replace(request, messages=(*request.messages, *TURNS))


def test_calls_of_the_history_need_a_model_that_knows_them() -> None:
    assert {HISTORY} == needs_of(with_calls(chat_request()))
    assert {TOOLS, HISTORY} == needs_of(with_calls(chat_request(features=Features(tools=TWO))))


def test_calls_of_the_history_stay_where_the_model_knows_them() -> None:
    left, _ = degrade(with_calls(chat_request(features=EVERYTHING)), {FORCED, SCHEMA})

    assert TURNS == left.messages[-2:]
    assert not left.is_plain


def test_calls_of_the_history_are_told_where_the_model_knows_none() -> None:
    left, adjustments = degrade(
        with_calls(chat_request(features=Features(tools=TWO))), {TOOLS, HISTORY}
    )

    assert left.is_plain
    assert "The tool add returned: 3" == left.messages[-1].text
    assert [("ignored", "tools"), ("emulated", "messages")] == [
        (one.action, one.field) for one in adjustments
    ]


@pytest.mark.parametrize(
    ("field", "needs", "lacks"),
    [
        ("tools", {TOOLS, HISTORY, SCHEMA}, {TOOLS, HISTORY}),
        ("tools[0].function.strict", {TOOLS, FORCED}, {TOOLS, FORCED}),
        ("tool_choice", {TOOLS, FORCED}, {FORCED}),
        ("tool_choice", {TOOLS}, {TOOLS}),
        ("response_format.type", {ANY_JSON}, {ANY_JSON}),
        ("response_format", {TOOLS}, set()),
        ("temperature", set(Capability), set()),
        ("", set(Capability), set()),
        ("[0]", set(Capability), set()),
    ],
)
def test_a_refusal_over_a_field_says_what_is_lacking(
    field: str, needs: set[Capability], lacks: set[Capability]
) -> None:
    assert lacks == lacking(field, needs)


def test_fields_are_named_in_one_order() -> None:
    assert ["tools", "messages", "tool_choice", "response_format"] == fields_of(ALL)
    assert [] == fields_of(())


OFFER = Features(tools=TWO)
DEGRADE = replace(OFFER, unsupported=UnsupportedAction.DEGRADE)


async def test_who_is_known_to_lack_something_is_not_asked_for_it() -> None:
    made = await planned(local("a", "m", lacks=ALL), local("b", "n"), features=OFFER)

    assert [("a", ErrorKind.CAPABILITY), ("b", "n")] == seen(made)
    [refused, _] = made.entries
    assert isinstance(refused, ProviderError)
    assert {TOOLS} == refused.lacks


async def test_who_lacks_what_nobody_asks_for_is_asked() -> None:
    plain = await planned(local("a", "m", lacks=ALL))
    assert [("a", "m")] == seen(plain)

    [entry] = (await planned(local("a", "m", lacks={SCHEMA}), features=OFFER)).entries
    assert isinstance(entry, Candidate)
    assert not entry.missing


async def test_who_does_without_is_asked_in_order() -> None:
    made = await planned(local("a", "m", lacks=ALL), local("b", "n"), features=DEGRADE)

    assert [("a", "m"), ("b", "n")] == seen(made)
    assert [{TOOLS}, set()] == [one.missing for one in made.candidates]


async def test_privacy_comes_before_what_a_model_can_do() -> None:
    made = await planned(
        local("a", "m", lacks=ALL), cloud("b", "n"), features=OFFER, privacy=LOCAL_ONLY
    )

    assert [("a", ErrorKind.CAPABILITY), ("b", ErrorKind.REMOTE_REFUSED)] == seen(made)


async def test_the_skill_is_looked_at_before_the_window() -> None:
    target = local("a", "m", lacks=ALL, window_tokens=1)
    made = await planned(target, features=OFFER, text="x" * 100)

    assert [("a", ErrorKind.CAPABILITY)] == seen(made)


async def test_schemas_take_room_in_the_window() -> None:
    tool = Tool(name="f", parameters_json_schema="x" * 400)
    window = estimated_tokens(200)
    target = local("a", "m", window_tokens=window)

    assert [("a", "m")] == seen(await planned(target))
    made = await planned(target, features=Features(tools=(tool,)))
    assert [("a", ErrorKind.CONTEXT)] == seen(made)


async def test_plans_are_remembered_by_what_is_needed_and_what_is_known() -> None:
    target = local("a", "m")
    provider = scripted(target)
    inventory = inventory_over({"a": provider})
    await inventory.refresh("a", "a")
    planner = Planner(Targets(sequence=[target]), inventory)
    first = planner.plan(chat_request(features=OFFER))

    assert planner.plan(chat_request(features=OFFER)) is first
    assert planner.plan(chat_request()) is not first
    assert planner.plan(chat_request(features=DEGRADE)) is not first

    provider.lacks = frozenset({TOOLS})
    assert [("a", ErrorKind.CAPABILITY)] == seen(planner.plan(chat_request(features=OFFER)))
    assert [{TOOLS}] == [
        one.missing for one in planner.plan(chat_request(features=DEGRADE)).candidates
    ]
    provider.lacks = frozenset()
    assert [set()] == [
        one.missing for one in planner.plan(chat_request(features=DEGRADE)).candidates
    ]
