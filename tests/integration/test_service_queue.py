"""One chat at a time per model: who waits, in which order, and who is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import answer
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import answerer, failure_of, text_of, whole

MOCK = llm_pb2.PROVIDER_KIND_MOCK


@asynccontextmanager
async def held(
    *, mock: bool = False, max_chats: int = 512, **entry: object
) -> AsyncIterator[tuple[FakeOllama, Gate, RunningService]]:
    """Run the service over an Ollama whose phi3:mini waits at a gate."""
    gate = Gate()
    async with FakeOllama(models=("phi3:mini", "qwen:latest"), num_parallel=8) as fake:
        fake.will(gate, answer("done"), model="phi3:mini", times=999)
        llm = over_ollama(fake, mock=mock, **entry)
        async with running_service(llm, server={"max_chats": max_chats}) as service:
            inventory = service.app.providers.inventory
            await eventually(
                lambda: inventory.last_poll("ollama").reachable
            )  # else the mock answers
            yield fake, gate, service


def asked(fake: FakeOllama) -> list[str]:
    """Return what the chats upstream asked, in order."""
    texts: list[str] = []
    for chat in fake.chats:
        messages = chat.json["messages"]
        assert isinstance(messages, list)
        texts.append(messages[0]["content"])
    return texts


async def admitted(service: RunningService, count: int) -> None:
    """Return once so many requests have been read whole: a call that is merely in flight may yet be overtaken."""
    await eventually(lambda: service.app.admission.running == count)


async def test_chats_of_one_model_run_one_at_a_time_in_order() -> None:
    expected = [f"chat {n}" for n in range(12)]
    async with held() as (fake, gate, service), asyncio.TaskGroup() as group:
        for number, text in enumerate(expected):
            group.create_task(whole(service, text) if number % 2 else text_of(service, text))
            await admitted(service, number + 1)
        await gate.reached(1)
        most_before = fake.most_in_flight
        gate.open()
        await eventually(lambda: len(fake.chats) == 12)
        await admitted(service, 0)

        assert expected == asked(fake)
        assert (1, 1) == (most_before, fake.most_in_flight)


async def test_another_model_is_not_held_up() -> None:
    async with held() as (fake, gate, service), asyncio.TaskGroup() as group:
        waiting = group.create_task(whole(service))
        await gate.reached(1)

        answer = await whole(service, model="qwen")

        assert fake.conversation.answer == answer
        assert not waiting.done()
        gate.open()


async def test_more_run_at_once_where_the_setting_says_so() -> None:
    async with held(max_in_flight_per_model=3) as (fake, gate, service):
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(text_of(service))
                await admitted(service, number + 1)
            await gate.reached(3)
            gate.open()

        assert 3 == fake.most_in_flight
        assert 5 == len(fake.chats)


async def test_with_the_queue_full_the_next_is_refused_and_told_when_to_come_back() -> None:
    async with held(max_queued=2) as (fake, gate, service):
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(text_of(service))
                await admitted(service, number + 1)
            await gate.reached(1)
            refusals = [await failure_of(whole(service)), await failure_of(text_of(service))]
            gate.open()

        assert 3 == len(fake.chats)
        assert await whole(service)
    for failure in refusals:
        assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (failure.code, failure.reason)
        assert 1 <= failure.detail(error_details_pb2.RetryInfo).retry_delay.seconds <= 30
        assert "ollama" == failure.metadata["provider"]


async def test_with_the_queue_full_the_next_provider_answers() -> None:
    async with held(mock=True, max_queued=0) as (_, gate, service), asyncio.TaskGroup() as group:
        group.create_task(text_of(service))
        await gate.reached(1)
        kinds = [await answerer(service, unary=unary) for unary in (True, False)]
        gate.open()

    assert [MOCK, MOCK] == kinds


async def test_who_waited_long_enough_goes_to_the_next_provider() -> None:
    async with (
        held(mock=True, queue_timeout_s=0.1) as (_, gate, service),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(text_of(service))
        await gate.reached(1)
        kind = await answerer(service, unary=True)
        gate.open()

    assert MOCK == kind


async def test_a_waiter_that_leaves_costs_nothing() -> None:
    async with held(max_queued=2) as (fake, gate, service), asyncio.TaskGroup() as group:
        group.create_task(text_of(service, "first"))
        await gate.reached(1)
        leaver = service.stub.Chat(chat_message("leaver"))
        await admitted(service, 2)
        group.create_task(text_of(service, "third"))
        await admitted(service, 3)
        leaver.cancel()
        await admitted(service, 2)
        group.create_task(text_of(service, "fourth"))
        await admitted(service, 3)
        gate.open()
        await admitted(service, 0)

        assert ["first", "third", "fourth"] == asked(fake)


async def test_the_operator_is_told_once_that_calls_wait() -> None:
    async with held() as (_, gate, service), asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(text_of(service))
            await admitted(service, number + 1)
        gate.open()
        await admitted(service, 0)

        told = [one for one in service.reporter.changes if one.state == "queueing"]

        assert ["ollama/phi3:mini"] == [one.name for one in told]


async def test_beyond_the_limit_of_the_process_a_chat_is_refused_whoever_could_answer() -> None:
    async with held(mock=True, max_chats=2) as (_, gate, service):
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(text_of(service))
                await admitted(service, number + 1)
            failure = await failure_of(whole(service))
            other = await failure_of(text_of(service, model="qwen"))
            gate.open()

        assert await whole(service)
    for refused in (failure, other):
        assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (refused.code, refused.reason)
        assert refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 1
        assert refused.pushback_ms is None


async def test_a_hundred_answered_chats_give_every_place_back() -> None:
    async with held(max_queued=100) as (fake, gate, service):
        gate.open()
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(whole(service, str(number)))

        assert 100 == len(fake.chats)
        # A slot is held until the answer has been taken, which the caller knows first.
        await eventually(lambda: service.app.admission.running == 0)
        assert not len(service.app.in_flight)
        assert not service.app.providers.is_busy("ollama")
