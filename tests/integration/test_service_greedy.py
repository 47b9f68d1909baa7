"""One host asks for everything there is; the others are served all the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import fmean

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2_grpc
from tests.contract.told import Told, told
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.hosts import channel_from
from tests.fakes.ollama_steps import answer
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service

GREEDY = "127.0.0.2"
FAIR = [f"127.0.0.{number}" for number in range(3, 9)]
MODELS = ("phi3:mini", *(f"m{number}:latest" for number in range(8)))


class Host:
    """A host that chats, in plain calls and streams by turns.

    Attributes:
        name: Its address, which is what its chats say as well.
    """

    def __init__(self, name: str, channel: grpc.aio.Channel, group: asyncio.TaskGroup) -> None:
        self.name = name
        self._stub = llm_pb2_grpc.LLMServiceStub(channel)
        self._group = group
        self._calls: list[asyncio.Task[Told | None]] = []

    def ask(self, calls: int, model: str = "") -> None:
        """Begin so many chats."""
        self._calls += [
            self._group.create_task(self._chat(model, whole=bool(number % 2)))
            for number in range(calls)
        ]

    @property
    def refused(self) -> list[Told]:
        """What those were told that have failed so far."""
        over = [call.result() for call in self._calls if call.done()]
        return [failure for failure in over if failure is not None]

    @property
    def answered(self) -> int:
        """How many have been answered so far."""
        return sum(call.done() for call in self._calls) - len(self.refused)

    async def _chat(self, model: str, *, whole: bool) -> Told | None:
        request = chat_message(self.name, model=model)
        try:
            if whole:
                await self._stub.Chat(request, timeout=60)
            else:
                _ = [event async for event in self._stub.ChatStream(request, timeout=60)]
        except grpc.aio.AioRpcError as error:
            return told(error)
        return None


class House:
    """The service over an Ollama whose answers wait at a gate, and hosts that call it."""

    def __init__(
        self,
        fake: FakeOllama,
        gate: Gate,
        service: RunningService,
        stack: AsyncExitStack,
        group: asyncio.TaskGroup,
    ) -> None:
        self.fake = fake
        self.gate = gate
        self.service = service
        self._stack = stack
        self._group = group

        self._hosts: list[Host] = []

    async def host(self, name: str) -> Host:
        """Give a host with a connection of its own."""
        channel = await self._stack.enter_async_context(channel_from(name, self.service.address))
        host = Host(name, channel, self._group)
        self._hosts.append(host)
        return host

    async def settled(self, chats: int) -> None:
        """Wait until each of so many chats runs, waits, or was refused."""
        await eventually(lambda: self._inside() + self._refused() == chats, within_s=20)

    def _inside(self) -> int:
        return self.service.app.admission.running

    def _refused(self) -> int:
        return sum(len(host.refused) for host in self._hosts)

    @property
    def served(self) -> list[str]:
        """The host of each chat upstream, in order."""
        texts: list[str] = []
        for chat in self.fake.chats:
            messages = chat.json["messages"]
            assert isinstance(messages, list)
            texts.append(messages[0]["content"])
        return texts


@asynccontextmanager
async def house(*, max_chats: int = 512, **entry: int) -> AsyncIterator[House]:
    """Run the service; answers come when the block ends."""
    gate = Gate()
    async with FakeOllama(models=MODELS, num_parallel=64) as fake:
        fake.will(gate, answer("done"), times=9_999)
        llm = over_ollama(fake, mock=False, **entry)
        async with (
            running_service(llm, server={"max_chats": max_chats}) as service,
            AsyncExitStack() as stack,
            asyncio.TaskGroup() as group,
        ):
            yield House(fake, gate, service, stack, group)
            gate.open()


def positions(served: Sequence[str], hosts: Sequence[str]) -> list[int]:
    """Return how many chats were answered until each of these hosts' was."""
    return [number for number, name in enumerate(served, start=1) if name in hosts]


async def turns_of_fair_hosts(*, greedy_calls: int) -> tuple[float, Host]:
    """Return the mean wait of 54 chats of six hosts, in turns, and the greedy host beside them.

    None of the 54 may be refused.
    """
    async with house() as here:
        greedy = await here.host(GREEDY)
        greedy.ask(greedy_calls)
        await here.settled(greedy_calls)
        fair = [await here.host(name) for name in FAIR]
        for one in fair:
            one.ask(9)
        await here.settled(greedy_calls + 54)
    assert [(9, 0)] * 6 == [(one.answered, len(one.refused)) for one in fair]
    return fmean(positions(here.served, FAIR)), greedy


async def test_nobody_fair_is_refused_or_waits_twice_as_long_beside_a_greedy_host() -> None:
    alone, _ = await turns_of_fair_hosts(greedy_calls=0)
    beside, greedy = await turns_of_fair_hosts(greedy_calls=200)

    assert beside <= 2 * alone
    assert 11 == greedy.answered
    assert {("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")} == {
        (one.code, one.reason) for one in greedy.refused
    }
    for one in greedy.refused:
        assert 1 <= one.detail(error_details_pb2.RetryInfo).retry_delay.seconds <= 30
        assert one.pushback_ms is None


async def test_many_connections_of_a_host_are_one_host() -> None:
    async with house() as here:
        for _ in range(5):
            (await here.host(GREEDY)).ask(4)
        await here.settled(20)
        (await here.host(FAIR[0])).ask(6)
        await here.settled(26)

    assert [GREEDY, *[FAIR[0], GREEDY] * 6] == here.served[:13]


async def test_a_host_that_names_many_models_gets_no_more_turns() -> None:
    async with house(max_in_flight=1) as here:
        greedy, fair = await here.host(GREEDY), await here.host(FAIR[0])
        for model in MODELS:
            greedy.ask(2, model)
        await here.settled(2 * len(MODELS))
        fair.ask(5)
        await here.settled(2 * len(MODELS) + 5)

    assert Counter({GREEDY: 6, FAIR[0]: 5}) == Counter(here.served[:11])


@pytest.mark.parametrize("max_chats", [1, 8])
async def test_a_host_that_has_all_places_of_the_process_leaves_one_for_others(
    max_chats: int,
) -> None:
    async with house(max_chats=max_chats, max_in_flight_per_model=16) as here:
        greedy, fair = await here.host(GREEDY), await here.host(FAIR[0])
        greedy.ask(2 * max_chats)
        await here.settled(2 * max_chats)
        fair.ask(1)
        await here.settled(2 * max_chats + 1)
        greedy.ask(2)
        await here.settled(2 * max_chats + 3)

    assert (max_chats, 1, 0) == (greedy.answered, fair.answered, len(fair.refused))
    assert 0 == here.service.app.admission.running


async def test_a_host_with_large_requests_leaves_room_for_those_of_others() -> None:
    large = chat_message("x" * 10_000)
    limits, server = {"max_message_bytes": 65_536}, {"max_request_bytes": 65_536}
    gate = Gate()
    async with FakeOllama(models=MODELS) as fake:
        fake.will(gate, answer("done"), times=99)
        llm = over_ollama(fake, num_ctx=100_000)
        async with (
            running_service(llm, server=server, limits=limits) as service,
            channel_from(GREEDY, service.address) as greedy,
            channel_from(FAIR[0], service.address) as fair,
        ):
            held = [llm_pb2_grpc.LLMServiceStub(greedy).Chat(large, timeout=60) for _ in range(5)]
            await eventually(lambda: 5 == service.app.admission.running)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await llm_pb2_grpc.LLMServiceStub(greedy).Chat(large, timeout=60)
            taken = llm_pb2_grpc.LLMServiceStub(fair).Chat(large, timeout=60)
            await eventually(lambda: 6 == service.app.admission.running)
            gate.open()
            await asyncio.gather(*held, taken)

    assert "SERVER_OVERLOADED" == told(refused.value).reason
