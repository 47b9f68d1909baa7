import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from llmsvc_server.app.tasks import Background
from llmsvc_server.catalog.inventory import POLL_TIMEOUT_S, Inventory
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of
from tests.fakes.virtual_time import virtually
from tests.fakes.watching import inventory_of


def silent() -> ScriptedProvider:
    provider = ScriptedProvider(models=["phi3"])
    provider.listing_gate = Gate()
    return provider


def opened(provider: ScriptedProvider) -> None:
    assert provider.listing_gate is not None
    provider.listing_gate.open()


@asynccontextmanager
async def kept_fresh(
    inventory: Inventory,
    *,
    every_s: float = 0.01,
    busy: Callable[[], bool] = lambda: False,
    on_poll: Callable[[bool], None] = lambda _seen: None,
) -> AsyncIterator[None]:
    async with Background() as background:
        _ = background.start(
            inventory.keep_fresh("ollama", "ollama", every_s=every_s, busy=busy, on_poll=on_poll)
        )
        yield


async def test_an_early_call_waits_for_the_look_that_runs_and_starts_none() -> None:
    provider = silent()
    inventory = inventory_of(ollama=provider)
    async with asyncio.TaskGroup() as group:
        refresh = group.create_task(inventory.refresh("ollama", "ollama"))
        calls = [group.create_task(inventory.wait_for_first_poll()) for _ in range(20)]
        await eventually(lambda: provider.listings == 1)
        waited = not any(call.done() for call in calls)
        opened(provider)

    assert waited
    assert refresh.done()
    assert 1 == provider.listings


async def test_an_early_call_waits_for_every_provider() -> None:
    quick, slow = ScriptedProvider(), silent()
    inventory = inventory_of(quick=quick, slow=slow)
    await inventory.refresh("quick", "quick")
    async with asyncio.TaskGroup() as group:
        call = group.create_task(inventory.wait_for_first_poll())
        _ = group.create_task(inventory.refresh("slow", "slow"))
        await eventually(lambda: slow.listings == 1)
        waited = not call.done()
        opened(slow)

    assert waited


@virtually
async def test_later_calls_do_not_wait() -> None:
    provider = silent()
    inventory = inventory_of(ollama=provider)
    opened(provider)
    await inventory.refresh("ollama", "ollama")
    async with asyncio.timeout(0.5):
        for _ in range(1000):
            await inventory.wait_for_first_poll()

    assert 1 == provider.listings


@virtually
async def test_a_failed_look_ends_the_wait_too() -> None:
    provider = ScriptedProvider()
    provider.listing = ProviderError(ErrorKind.CONNECT)
    inventory = inventory_of(ollama=provider)
    await inventory.refresh("ollama", "ollama")
    async with asyncio.timeout(0.5):
        await inventory.wait_for_first_poll()

    assert not inventory.last_poll("ollama").reachable


@virtually
async def test_a_silent_provider_costs_a_look_or_an_early_call_two_seconds_at_most() -> None:
    loop = asyncio.get_running_loop()
    polling = inventory_of(ollama=silent())
    waiting = inventory_of(ollama=silent())
    began_s = loop.time()
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(polling.refresh("ollama", "ollama"))
        _ = group.create_task(waiting.wait_for_first_poll())
    problem = polling.last_poll("ollama").problem

    assert POLL_TIMEOUT_S <= loop.time() - began_s < POLL_TIMEOUT_S + 1
    assert problem is not None
    assert (ErrorKind.SILENT, 1) == (problem.kind, polling.last_poll("ollama").misses)


async def test_a_refresh_that_is_cancelled_lets_go_of_the_provider() -> None:
    provider = silent()
    inventory = inventory_of(ollama=provider)
    async with asyncio.TaskGroup() as group:
        refresh = group.create_task(inventory.refresh("ollama", "ollama"))
        await eventually(lambda: provider.listings == 1)
        refresh.cancel()
    assert provider.listing_gate is not None

    assert 0 == provider.listing_gate.waiting
    assert not inventory.last_poll("ollama").reachable


async def test_it_looks_again_and_again_and_says_so_each_time() -> None:
    provider, turns = ScriptedProvider(models=["phi3"]), []
    inventory = inventory_of(ollama=provider)
    async with kept_fresh(inventory, on_poll=lambda _seen: turns.append(provider.listings)):
        await eventually(lambda: len(turns) >= 5)

    assert [1, 2, 3, 4, 5] == turns[:5]


@virtually
async def test_it_looks_about_as_often_as_it_is_told() -> None:
    provider = ScriptedProvider()
    inventory = inventory_of(ollama=provider)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with kept_fresh(inventory, every_s=0.05):
        await eventually(lambda: provider.listings == 6)

    assert 5 * 0.05 * 0.9 <= loop.time() - began_s


async def test_it_goes_on_after_failures() -> None:
    provider = ScriptedProvider()
    provider.listing = ProviderError(ErrorKind.CONNECT)
    inventory = inventory_of(ollama=provider)
    async with kept_fresh(inventory):
        await eventually(lambda: inventory.last_poll("ollama").misses >= 3)
        provider.listing = catalogue_of(["phi3"])
        await eventually(lambda: inventory.last_poll("ollama").reachable)

    assert "phi3" == inventory.spelling("ollama", "phi3")


async def test_it_asks_each_time_whether_the_provider_is_busy() -> None:
    provider, asked = ScriptedProvider(), []

    def busy() -> bool:
        asked.append(provider.listings)
        return True

    inventory = inventory_of(ollama=provider)
    async with kept_fresh(inventory, busy=busy):
        await eventually(lambda: len(asked) >= 3)

    assert [0, 1, 2] == asked[:3]


async def test_a_defect_of_a_provider_ends_the_loop_loudly() -> None:
    provider = ScriptedProvider()
    provider.listing = ValueError("defect")
    inventory = inventory_of(ollama=provider)
    with pytest.raises(ValueError, match="defect"):
        await inventory.keep_fresh(
            "ollama", "ollama", every_s=0.01, busy=lambda: False, on_poll=lambda _seen: None
        )
