"""A call that its caller leaves keeps nothing of its prompt, before any garbage is collected."""

import tracemalloc

from tests.fakes.eventually import eventually
from tests.fakes.forgetful_upstream import forgetful_upstream
from tests.fakes.held_memory import uncollected
from tests.fakes.raw_answers import MODEL, NDJSON, tags
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service

MIB = 2**20
CALLS = 10
PLACES = 5
"""So that half of them wait for the upstream, and half for a place there."""

DOCUMENTS = {
    "/api/version": b'{"version": "0.24.0"}',
    "/api/tags": tags(MODEL),
    "/api/ps": tags(MODEL),
}


async def ask_and_leave(service: RunningService) -> None:
    """Ask with prompts of a MiB, and leave once all are on their way, before a byte comes back.

    In unary calls: gRPC's client is in this process, and keeps the request of a stream that is left.
    """
    request = chat_message("x" * MIB)
    calls = [service.stub.Chat(request) for _ in range(CALLS)]
    await eventually(lambda: service.app.admission.running == CALLS)
    for call in calls:
        call.cancel()
    await eventually(lambda: service.app.admission.running == 0)


async def test_calls_that_are_left_keep_no_prompt() -> None:
    async with forgetful_upstream(NDJSON, "", DOCUMENTS) as url:
        ollama = {"kind": "ollama", "base_url": url, "model": MODEL, "num_ctx": 2_000_000}
        ollama["max_in_flight_per_model"] = PLACES
        llm = {"providers": {"ollama": ollama}, "default_provider": "ollama"}
        async with running_service(llm) as service:
            inventory = service.app.providers.inventory
            await eventually(lambda: inventory.last_poll("ollama").reachable)
            with uncollected():
                await ask_and_leave(service)
                held_bytes, _ = tracemalloc.get_traced_memory()

    assert held_bytes < 2 * MIB
