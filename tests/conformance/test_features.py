"""What comes of tools and formats, whoever answers."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta, Done, Pieces
from llmsvc_server.chat.features import NO_FEATURES
from llmsvc_server.chat.parts import AnswerParts, Part, ToolCall
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.conformance.feature_subjects import FEATURED
from tests.conformance.features import CASES, MADE, Case, Declines, FeatureSubject
from tests.conformance.subjects import MODEL
from tests.fakes.requests import chat_request, limits_of

MADE_ID = re.compile(r"call_[0-9a-f]{24}")


@pytest.fixture(params=FEATURED)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[FeatureSubject]:
    """Every provider that can be told what its model writes."""
    async with FEATURED[request.param]() as subject:
        yield subject


def request_of(case: Case) -> ChatRequest:
    texts_only = all(isinstance(part, str) for one in case.messages for part in one.parts)
    return replace(
        chat_request(model=MODEL),
        messages=case.messages,
        features=case.features,
        is_plain=texts_only and case.features is NO_FEATURES,
    )


async def answer(subject: FeatureSubject, case: Case) -> tuple[Sequence[Part], Done]:
    """Return the parts that the pieces come to, and the end; skip what the provider lacks."""
    if lacking := subject.provider.missing(MODEL, case.needs):
        pytest.skip(f"has no {', '.join(lacking)}")
    if not subject.declines and any(isinstance(one, Declines) for one in case.says):
        pytest.skip("tells no words of a refusal apart")
    parts = AnswerParts()
    events = subject.provider.stream_chat(request_of(case), limits_of())
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return [part for part in parts.fold() if part], event
            if isinstance(event, Pieces):
                assert not all(isinstance(piece, str) for piece in event.pieces)
                assert case.features.offered or subject.declines
                for piece in event.pieces:
                    parts.add(piece)
            elif isinstance(event, Delta):
                parts.add(event.text)
    raise AssertionError("it has no end")


def hide_made_ids(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(
        replace(part, id=MADE)
        if isinstance(part, ToolCall) and MADE_ID.fullmatch(part.id)
        else part
        for part in parts
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_feature_comes_to_the_same_everywhere(subject: FeatureSubject, case: Case) -> None:
    subject.will(case.says)

    if case.cause:
        with pytest.raises(ProviderError) as raised:
            await answer(subject, case)
        assert (ErrorKind.NONCONFORMING, case.cause) == (raised.value.kind, raised.value.cause)
        return
    parts, done = await answer(subject, case)

    assert case.parts == hide_made_ids(parts)
    assert case.reason is done.finish_reason
    told = {one.field for one in done.adjustments}
    assert case.adjusted == told
    ids = [part.id for part in parts if isinstance(part, ToolCall)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in CASES.items() if case.sent]
)
async def test_what_is_asked_for_reaches_the_upstream(subject: FeatureSubject, case: Case) -> None:
    subject.will(case.says)

    await answer(subject, case)

    assert case.sent == subject.asked()
