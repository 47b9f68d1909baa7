"""What requests with tools or a format come to at each provider, as docs/features.md prints it.

`make docs` writes the page; tests/conformance/test_outcomes.py holds it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.features import ChoiceMode, Features, ResponseFormat, ToolChoice
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.routing.emulate import FORMATS, emulate
from llmsvc_server.routing.fit import degrade, fields_of, needs_of
from tests.conformance.anthropic_features import over_anthropic
from tests.conformance.feature_subjects import over_ollama
from tests.conformance.features import CASES, OSLO, SCHEMA, WEATHER, Asked, FeatureSubject, Says
from tests.conformance.openai_features import over_openai
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_checks import Generation
from tests.fakes.openai_at import openai_at
from tests.fakes.requests import chat_request, limits_of

PAGE = Path(__file__).parents[2] / "docs/features.md"
HEAD = """# Features by provider

What requests with tools or a response format come to at each provider, and what the caller is told. Written by
`make docs`, which asks each adapter; `tests/conformance` fails where this page says something else. The rules are in
`docs/tools.md` and `docs/structured-output.md`.

- **native**: the provider is asked for it in its own words.
- **adjusted**: the same, but not all of it: the answer has an adjustment at the field that is named.
- **lacks it**: see the second table. What nobody knows of a model is tried, and a refusal that names the feature counts
  as lacking it.

"""
TELLS = """
Where a provider lacks it, `unsupported_feature_action` decides. FAIL, the default: the next candidate is asked, and if
none has it the call ends as FAILED_PRECONDITION / CAPABILITY_UNSUPPORTED with the fields below. EMULATE and DEGRADE:
the answer has adjustments at these fields, EMULATED or IGNORED; at `messages` EMULATED in both, since earlier calls are
told as texts.

"""

_OBJECT = ResponseFormat()
_SHAPE = ResponseFormat(json_schema=SCHEMA)
_PATTERN = '{"type":"object","properties":{"city":{"type":"string","pattern":"^O"}}}'
_OFFER = Features(tools=(WEATHER,))
_JSON = '{"city":"Oslo"}'


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what a model writes that can do it."""

    features: Features
    says: tuple[Says, ...] = (OSLO,)
    has_history: bool = False

    def request(self) -> ChatRequest:
        """Return it."""
        asked = replace(chat_request(model=MODEL), features=self.features, is_plain=False)
        if self.has_history:
            asked = replace(asked, messages=CASES["results of calls"].messages)
        return asked


ROWS: Mapping[str, Row] = {
    "tools": Row(_OFFER),
    "results of earlier calls": Row(_OFFER, ("It rains.",), has_history=True),
    "`tool_choice` REQUIRED": Row(replace(_OFFER, choice=ToolChoice(mode=ChoiceMode.REQUIRED))),
    "`single_call`, and the model makes two": Row(
        replace(_OFFER, choice=ToolChoice(single_call=True)), (OSLO, replace(OSLO, id="c2"))
    ),
    "`json_object`": Row(Features(response_format=_OBJECT), (_JSON,)),
    "`json_schema`": Row(Features(response_format=_SHAPE), (_JSON,)),
    "`json_schema` with a `pattern`": Row(
        Features(response_format=ResponseFormat(json_schema=_PATTERN)), (_JSON,)
    ),
    "tools with `json_object`": Row(replace(_OFFER, response_format=_OBJECT)),
    "tools with `json_schema`": Row(replace(_OFFER, response_format=_SHAPE)),
}


@dataclass(frozen=True, slots=True)
class MockSubject:
    """The built-in mock, which nobody instructs."""

    provider: MockProvider
    declines = False

    def will(self, says: Iterable[Says]) -> None:
        """Write what the request makes it write."""

    def asked(self) -> Asked:
        """Return nothing: it has no upstream."""
        return Asked()


@asynccontextmanager
async def over_mock() -> AsyncIterator[FeatureSubject]:
    """Give the built-in mock."""
    yield MockSubject(MockProvider("mock", model=MODEL, max_output_tokens=8_192))


@asynccontextmanager
async def phi3() -> AsyncIterator[ChatProvider]:
    """Give an Ollama that says that its model only writes text."""
    async with (
        FakeOllama(models=(MODEL,), loaded=(MODEL,), generation=Generation.OLD) as fake,
        ollama_at(fake.base_url) as adapter,
        asyncio.TaskGroup() as group,
    ):
        exploring = group.create_task(adapter.explore())
        await adapter.catalogue()
        await eventually(lambda: bool(adapter.missing(MODEL, needs_of(ROWS["tools"].request()))))
        yield adapter
        exploring.cancel()


def at(base_url: str) -> Callable[[], AbstractAsyncContextManager[ChatProvider]]:
    """Return a factory of an adapter for a service that nobody calls here."""
    return lambda: openai_at(base_url, locality=Locality.REMOTE)


@dataclass(frozen=True, slots=True)
class Column:
    """A provider with a model.

    Attributes:
        made: What answers.
        model: By which name it is asked for what it lacks.
        lacking: Another one that is asked for that.
    """

    made: Callable[[], AbstractAsyncContextManager[FeatureSubject]]
    model: str = MODEL
    lacking: Callable[[], AbstractAsyncContextManager[ChatProvider]] | None = None


_SERVICE = over_openai(Locality.REMOTE)
COLUMNS: Mapping[str, Column] = {
    "Ollama, a model with tools": Column(over_ollama(Generation.OLD)),
    "Ollama, phi3:mini": Column(over_ollama(Generation.OLD), lacking=phi3),
    "OpenAI": Column(over_openai(Locality.REMOTE, is_openai=True)),
    "`openai`, `local: true`": Column(over_openai(Locality.LOCAL)),
    "`openai`, other services": Column(_SERVICE),
    "Google's route": Column(_SERVICE, lacking=at("https://generativelanguage.googleapis.com")),
    "DeepSeek, models that think": Column(_SERVICE, lacking=at("https://api.deepseek.com")),
    "Anthropic, Claude Sonnet 4.5": Column(over_anthropic, "claude-sonnet-4-5"),
    "Anthropic, Claude 3.5 Haiku": Column(over_anthropic, "claude-3-5-haiku-latest"),
    "Anthropic, Claude Opus 5.5": Column(over_anthropic, "claude-opus-5-5"),
    "the built-in mock": Column(over_mock),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request comes to: the fields that are told of it, by `unsupported_feature_action`."""

    word: str
    refused: str = ""
    emulated: str = ""
    ignored: str = ""


async def find_outcomes() -> dict[tuple[str, str], Outcome]:
    """Return what each request comes to, by row and column."""
    found = {}
    for title, column in COLUMNS.items():
        async with column.made() as subject, (column.lacking or _nobody)() as other:
            for name, row in ROWS.items():
                found[name, title] = await _outcome(subject, other, column.model, row)
    return found


@asynccontextmanager
async def _nobody() -> AsyncIterator[None]:
    yield None


async def _outcome(
    subject: FeatureSubject, other: ChatProvider | None, model: str, row: Row
) -> Outcome:
    request, judged = row.request(), other or subject.provider
    if missing := judged.missing(model, needs_of(request)):
        emulation = emulate(request, missing, judged.missing(model, FORMATS))
        return Outcome(
            "lacks it",
            _quote(fields_of(missing)),
            _fields(emulation.adjustments),
            _fields(degrade(request, missing)[1]),
        )
    subject.will(row.says)
    async with aclosing(subject.provider.stream_chat(request, limits_of())) as events:
        end = [event async for event in events if isinstance(event, Done)][-1]
    return Outcome(f"adjusted: {_fields(end.adjustments)}" if end.adjustments else "native")


def _fields(adjustments: Iterable[Adjustment]) -> str:
    return _quote(one.field for one in adjustments)


def _quote(fields: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in dict.fromkeys(fields))


def page(outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    """Return the page."""
    return HEAD + "\n".join(_words(outcomes)) + "\n" + TELLS + "\n".join(_told(outcomes)) + "\n"


def _words(outcomes: Mapping[tuple[str, str], Outcome]) -> Iterator[str]:
    yield f"| provider | {' | '.join(ROWS)} |"
    yield "|" + "---|" * (len(ROWS) + 1)
    for title in COLUMNS:
        yield f"| {title} | {' | '.join(outcomes[name, title].word for name in ROWS)} |"


def _told(outcomes: Mapping[tuple[str, str], Outcome]) -> Iterator[str]:
    yield "| provider | request | FAIL refuses | EMULATE imitates | DEGRADE leaves out |"
    yield "|---|---|---|---|---|"
    alike: dict[tuple[str, Outcome], list[str]] = {}
    for (name, title), one in outcomes.items():
        if one.refused:
            alike.setdefault((title, one), []).append(name)
    for (title, one), names in alike.items():
        told = f"{one.refused} | {one.emulated} | {one.ignored}"
        yield f"| {title} | {'; '.join(names)} | {told} |"


if __name__ == "__main__":
    PAGE.write_text(page(asyncio.run(find_outcomes())), encoding="utf-8")
