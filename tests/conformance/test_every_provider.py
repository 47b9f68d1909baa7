"""What callers of `stream_chat` rely on, whoever answers."""

import asyncio
import copy
import dataclasses
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import MODEL
from tests.fakes.requests import chat_request, limits_of


def started(provider: ChatProvider, request: ChatRequest | None = None) -> ChatEvents:
    return provider.stream_chat(request or chat_request(model=MODEL), limits_of())


async def answer(provider: ChatProvider, request: ChatRequest | None = None) -> tuple[str, Done]:
    """Return the text and the end, after checking the order of events."""
    async with aclosing(started(provider, request)) as events:
        *deltas, done = [event async for event in events]
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert isinstance(done, Done)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)), done


async def test_events_are_deltas_and_then_just_one_end(provider: ChatProvider) -> None:
    text, _ = await answer(provider)

    assert text


async def test_starting_does_nothing_before_the_first_event_is_asked_for(
    provider: ChatProvider,
) -> None:
    events = provider.stream_chat(chat_request(model=MODEL), limits_of())

    await events.aclose()

    assert [] == [event async for event in events]


async def test_closing_in_the_middle_ends_the_events(provider: ChatProvider) -> None:
    events = started(provider)
    await anext(events)

    await events.aclose()

    assert [] == [event async for event in events]


async def test_answers_again_after_a_stream_was_left(provider: ChatProvider) -> None:
    async with aclosing(started(provider)) as events:
        await anext(events)

    text, _ = await answer(provider)

    assert text


async def test_closing_after_the_end_is_harmless(provider: ChatProvider) -> None:
    events = started(provider)
    async for event in events:
        if isinstance(event, Done):
            break

    await events.aclose()
    await events.aclose()


async def test_two_interleaved_answers_do_not_mix(provider: ChatProvider) -> None:
    alone, _ = await answer(provider)
    texts = ["", ""]
    async with aclosing(started(provider)) as one, aclosing(started(provider)) as other:
        open_streams = {0: one, 1: other}
        while open_streams:
            for number, events in list(open_streams.items()):
                event = await anext(events, None)
                if event is None:
                    del open_streams[number]
                elif isinstance(event, Delta):
                    texts[number] += event.text

    assert [alone, alone] == texts


async def test_many_at_once_all_get_their_answer(provider: ChatProvider) -> None:
    alone, _ = await answer(provider)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(answer(provider)) for _ in range(8)]

    assert {alone} == {task.result()[0] for task in asking}


async def test_leaves_the_request_as_it_was(provider: ChatProvider) -> None:
    request = ChatRequest(
        model=MODEL,
        messages=(
            Message(role=Role.SYSTEM, parts=("be", " brief")),
            Message(role=Role.USER, parts=("ü 🌊 \x00 \u2028", "")),
        ),
        sampling=Sampling(temperature=0.5, seed=7, max_output_tokens=100, stop_sequences=("§",)),
        delivery=Delivery.WHOLE,
    )
    before = copy.deepcopy(request)

    await answer(provider, request)

    assert before == request


async def test_reports_a_limit_that_was_brought_down(provider: ChatProvider) -> None:
    asked = chat_request(model=MODEL)
    request = dataclasses.replace(asked, sampling=Sampling(max_output_tokens=1_000_000))

    _, done = await answer(provider, request)

    assert "generation_config.max_output_tokens" in {one.field for one in done.adjustments}


async def test_a_cancel_passes_through(provider: ChatProvider) -> None:
    first = asyncio.Event()
    never = asyncio.Event()

    async def consume() -> None:
        async with aclosing(started(provider)) as events:
            async for _ in events:
                first.set()
                await never.wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(consume())
        await first.wait()
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        task.result()
    text, _ = await answer(provider)
    assert text
