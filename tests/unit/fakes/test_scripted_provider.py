import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from llmsvc_server.chat.deadline import AttemptLimits, Deadline
from llmsvc_server.chat.events import Delta
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import ScriptedProvider, done, names_of

if TYPE_CHECKING:
    from llmsvc_server.providers.abilities import ListsModels

_CLOCK = ManualClock()
_SOON = Deadline(at_s=_CLOCK() + 10, clock=_CLOCK)
_BUDGET = AttemptLimits(
    finish_by=_SOON, first_token_by=_SOON, latest_first=_SOON, fallback_follows=False
)
_REQUEST = ChatRequest(
    model="phi3:mini",
    messages=(Message(role=Role.USER, parts=("hi",)),),
    sampling=Sampling(),
    delivery=Delivery.STREAM,
)


async def _all(provider: ChatProvider) -> list[object]:
    async with aclosing(provider.stream_chat(_REQUEST, _BUDGET)) as events:
        return [event async for event in events]


async def test_yields_its_script_and_remembers_the_request() -> None:
    provider = ScriptedProvider(Delta("a"), Delta("b"), done(output_tokens=2))

    events = await _all(provider)

    assert [Delta("a"), Delta("b"), done(output_tokens=2)] == events
    assert [call.request for call in provider.calls] == [_REQUEST]
    assert provider.calls[0].closed
    assert not provider.calls[0].left


async def test_one_script_per_call_comes_before_the_usual_one() -> None:
    provider = ScriptedProvider(Delta("usual"), done())
    provider.will(ProviderError(ErrorKind.TRANSIENT, row="O07"))

    with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
        await _all(provider)

    assert [Delta("usual"), done()] == await _all(provider)


async def test_a_gate_holds_the_stream_and_counts_who_runs() -> None:
    gate = Gate()
    provider = ScriptedProvider(gate, done())

    async with asyncio.TaskGroup() as group:
        group.create_task(_all(provider))
        group.create_task(_all(provider))
        await gate.reached(2)
        held = provider.running
        gate.open()

    assert held == 2
    assert provider.running == 0
    assert provider.most_running == 2


async def test_tells_a_stream_that_was_left_from_one_never_closed() -> None:
    provider = ScriptedProvider(Delta("a"), Delta("b"), done())
    left = provider.stream_chat(_REQUEST, _BUDGET)
    open_still = provider.stream_chat(_REQUEST, _BUDGET)

    await anext(left)
    await left.aclose()
    await anext(open_still)

    assert [(call.closed, call.left) for call in provider.calls] == [(True, True), (False, False)]
    await open_still.aclose()


async def test_a_stream_closed_before_it_began_counts_as_closed() -> None:
    provider = ScriptedProvider()
    events = provider.stream_chat(_REQUEST, _BUDGET)

    await events.aclose()

    assert provider.calls[0].closed
    assert not provider.calls[0].begun


async def test_closing_can_be_held() -> None:
    provider = ScriptedProvider(Delta("a"), Delta("b"), done())
    provider.closing = Gate()
    events = provider.stream_chat(_REQUEST, _BUDGET)
    await anext(events)

    async with asyncio.TaskGroup() as group:
        group.create_task(events.aclose())
        await provider.closing.reached()
        while_closing = provider.calls[0].closed
        provider.closing.open()

    assert not while_closing
    assert provider.calls[0].closed


async def test_lists_the_models_it_was_given() -> None:
    provider: ListsModels = ScriptedProvider(
        models=("Phi3:mini", "llama3.2"), loaded=("phi3:mini",)
    )

    catalogue = await provider.catalogue()

    assert names_of(catalogue) == {"phi3:mini": "Phi3:mini", "llama3.2:latest": "llama3.2"}
    assert {"phi3:mini": ""} == catalogue.loaded
