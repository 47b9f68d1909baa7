"""A call that has failed leaves nothing of its request in memory, before any garbage is collected."""

import tracemalloc

import grpc

from tests.contract.calls import provider_of
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.held_memory import uncollected
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

MIB = 2**20
CALLS = 10


async def codes(service: Assembled) -> list[grpc.StatusCode]:
    """Ask for a model that is nowhere, in requests of a MiB; return how the calls ended."""
    request = chat_message("x" * MIB, model="nowhere")
    calls = []
    for _ in range(CALLS):
        calls += [service.stub.Chat(request), service.stub.ChatStream(request)]
    return [await call.code() for call in calls]


async def test_failed_calls_keep_no_request() -> None:
    with uncollected():
        async with assembled(provider_of(done())) as service:
            ends = await codes(service)
            held_bytes, _ = tracemalloc.get_traced_memory()

    assert [grpc.StatusCode.NOT_FOUND] * 2 * CALLS == ends
    assert held_bytes < CALLS * MIB
