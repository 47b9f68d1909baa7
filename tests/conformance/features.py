"""What requests with tools or a format are to come to, on every provider: one list for all.

A case says what the model writes, in no protocol; each adapter's subject puts that into its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from llmsvc_server.chat.features import (
    NO_FEATURES,
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import Refusal, ToolCall, ToolResult
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.providers.base import ChatProvider

SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
WEATHER = Tool(name="get_weather", description="Weather now", parameters_json_schema=SCHEMA)
TIME = Tool(name="get_time")
TOOLS = (WEATHER, TIME)
QUESTION = (Message(role=Role.USER, parts=("Weather in Oslo?",)),)
MADE = "made"
"""Stands for an id that the service made."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The model calls a function. Without an `id` the server gives none."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, slots=True)
class Declines:
    """The model declines, in words that its provider tells apart."""

    words: str


Says = str | Calls | Declines


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a request reached the upstream, out of its protocol.

    Calls are id, name and arguments, those with the bytes of the body. Results are id, text, and
    whether the model is told that there is none. `said` is what each turn of the model's own says,
    a refusal or not; it is there for each that says something.
    """

    tools: tuple[str, ...] = ()
    calls: tuple[tuple[str, str, str], ...] = ()
    results: tuple[tuple[str, str, bool], ...] = ()
    has_format: bool = False
    said: tuple[str, ...] = ()


class FeatureSubject(Protocol):
    """A provider, and the upstream that a case instructs."""

    @property
    def provider(self) -> ChatProvider:
        """Who is asked."""
        ...

    @property
    def declines(self) -> bool:
        """Whether it tells the words of a refusal apart."""
        ...

    def will(self, says: Sequence[Says]) -> None:
        """Have the model write that next: texts piece by piece, and calls."""
        ...

    def asked(self) -> Asked:
        """Return what of the last request reached it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, what the model writes, and what comes of it.

    Attributes:
        parts: The answer's, with `MADE` for ids that are made; empty parts are not compared.
        adjusted: The fields of the answer's adjustments.
        cause: Of the failure NONCONFORMING, where it fails.
        sent: What of the request must have reached the upstream; None for whatever.
    """

    features: Features = field(default_factory=lambda: Features(tools=TOOLS))
    messages: tuple[Message, ...] = QUESTION
    says: Sequence[Says]
    parts: tuple[str | ToolCall | Refusal, ...] = ()
    reason: FinishReason = FinishReason.TOOL_CALLS
    adjusted: frozenset[str] = frozenset()
    cause: str = ""
    sent: Asked | None = None

    @property
    def needs(self) -> frozenset[Capability]:
        """What a model has to be able to do for it."""
        needs = {Capability.TOOLS} if self.features.offered else set()
        shape = self.features.response_format
        if shape is not None:
            needs.add(Capability.JSON_SCHEMA if shape.json_schema else Capability.JSON_OBJECT)
        return frozenset(needs)


def call(name: str = "get_weather", arguments: str = '{"city":"Oslo"}', id: str = "c1") -> ToolCall:  # noqa: A002
    """Return a call as a part."""
    return ToolCall(id=id, name=name, arguments_json=arguments)


OSLO = Calls("get_weather", '{"city":"Oslo"}', "c1")
EXACT = '{"z":9007199254740993,"a":1.50, "e":1E2,"s":"\\u00e9 \\ud83c\\udf0a é"}'
"""Arguments whose bytes change if they become values on their way."""

_HISTORY = (
    *QUESTION,
    Message(
        role=Role.ASSISTANT,
        parts=("Let me see.", call(arguments=EXACT), call("get_time", "{}", "c2")),
    ),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="c1", content="11 C"),)),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="c2", content="no clock", failed=True),)),
)


def _continued(*parts: str | Refusal) -> tuple[Message, ...]:
    """Return a conversation whose model said that before."""
    said = Message(role=Role.ASSISTANT, parts=parts)
    return (*QUESTION, said, Message(role=Role.USER, parts=("And now?",)))


NO = Refusal(text="I can't.")

CASES: Mapping[str, Case] = {
    "a call": Case(says=[OSLO], parts=(call(),), sent=Asked(tools=("get_weather", "get_time"))),
    "text, then a call": Case(says=["Let", " me", " see.", OSLO], parts=("Let me see.", call())),
    "two calls": Case(
        says=[OSLO, Calls("get_time", "{}", "c2")], parts=(call(), call("get_time", "{}", "c2"))
    ),
    "a call without an id": Case(says=[Calls("get_time")], parts=(call("get_time", "{}", MADE),)),
    "two calls of one id": Case(says=[OSLO, OSLO], parts=(call(), call(id=MADE))),
    "arguments byte for byte": Case(
        says=[Calls("get_weather", EXACT, "c1")], parts=(call(arguments=EXACT),)
    ),
    "arguments that are no JSON": Case(
        says=[Calls("get_weather", '{"city": Oslo', "c1")],
        parts=(call(arguments='{"city": Oslo'),),
    ),
    "a plain answer to an offer of tools": Case(
        says=["It", " rains."], parts=("It rains.",), reason=FinishReason.STOP
    ),
    "one call at most": Case(
        features=Features(tools=TOOLS, choice=ToolChoice(single_call=True)),
        says=["So:", OSLO, Calls("get_time", "{}", "c2")],
        parts=("So:", call()),
        adjusted=frozenset({"tool_choice.single_call"}),
    ),
    "one call at most, and one comes": Case(
        features=Features(tools=TOOLS, choice=ToolChoice(single_call=True)),
        says=[OSLO],
        parts=(call(),),
    ),
    "a function that is not there": Case(says=[Calls("get_news", "{}", "c1")], cause="toolCall"),
    "only allowed functions": Case(
        features=Features(tools=TOOLS, choice=ToolChoice(allowed=("get_time",))),
        says=[Calls("get_time", "{}", "c1")],
        parts=(call("get_time", "{}"),),
    ),
    "a function that is not allowed": Case(
        features=Features(tools=TOOLS, choice=ToolChoice(allowed=("get_time",))),
        says=[OSLO],
        cause="toolCall",
    ),
    "no calls": Case(
        features=Features(tools=TOOLS, choice=ToolChoice(mode=ChoiceMode.NONE)),
        says=["It rains.", OSLO],
        parts=("It rains.",),
        reason=FinishReason.OTHER,
        adjusted=frozenset({"tools"}),
    ),
    "a call that nobody asked for": Case(
        features=NO_FEATURES,
        says=["It rains.", OSLO],
        parts=("It rains.",),
        reason=FinishReason.OTHER,
        adjusted=frozenset({"tools"}),
        sent=Asked(),
    ),
    "results of calls": Case(
        messages=_HISTORY,
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
        sent=Asked(
            tools=("get_weather", "get_time"),
            calls=(("c1", "get_weather", EXACT), ("c2", "get_time", "{}")),
            results=(("c1", "11 C", False), ("c2", "no clock", True)),
            said=("Let me see.",),
        ),
    ),
    "an id that an earlier turn had": Case(messages=_HISTORY, says=[OSLO], parts=(call(id=MADE),)),
    "results of calls, and no tools any more": Case(
        features=NO_FEATURES,
        messages=_HISTORY,
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
    ),
    "a refusal": Case(
        features=NO_FEATURES,
        says=[Declines("I"), Declines(" can't.")],
        parts=(NO,),
        reason=FinishReason.REFUSAL,
    ),
    "text, then a refusal": Case(
        says=["Well.", Declines("I can't.")], parts=("Well.", NO), reason=FinishReason.REFUSAL
    ),
    "a refusal, then text": Case(
        says=[Declines("I can't."), "Sorry."], parts=(NO, "Sorry."), reason=FinishReason.REFUSAL
    ),
    "a call, then a refusal": Case(
        says=[OSLO, Declines("I can't.")], parts=(call(), NO), reason=FinishReason.REFUSAL
    ),
    "a refusal before": Case(
        features=NO_FEATURES,
        messages=_continued(NO),
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
        sent=Asked(said=("I can't.",)),
    ),
    "a text and a refusal before": Case(
        features=NO_FEATURES,
        messages=_continued("Well. ", NO, ""),
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
        sent=Asked(said=("Well. I can't.",)),
    ),
    "no answer before": Case(
        features=NO_FEATURES,
        messages=_continued(),
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
        sent=Asked(),
    ),
    "nothing but empty texts before": Case(
        messages=_continued("", Refusal(text=""), ""),
        says=["It rains."],
        parts=("It rains.",),
        reason=FinishReason.STOP,
        sent=Asked(tools=("get_weather", "get_time")),
    ),
    "any JSON object": Case(
        features=Features(response_format=ResponseFormat()),
        says=['{"city"', ':"Oslo"}'],
        parts=('{"city":"Oslo"}',),
        reason=FinishReason.STOP,
        sent=Asked(has_format=True),
    ),
    "JSON of a schema": Case(
        features=Features(response_format=ResponseFormat(json_schema=SCHEMA)),
        says=['{"city"', ':"Oslo"}'],
        parts=('{"city":"Oslo"}',),
        reason=FinishReason.STOP,
        sent=Asked(has_format=True),
    ),
}
