import asyncio

import pytest

from llmsvc_server.app.tasks import Background
from tests.fakes.gate import Gate


async def test_leaving_ends_what_runs() -> None:
    gate = Gate()
    async with Background() as background:
        task = background.start(gate.passed())
        await gate.reached()

    assert task.cancelled()
    assert 0 == gate.waiting


async def test_a_loop_that_crashes_ends_its_owner() -> None:
    async def crash() -> None:
        raise RuntimeError

    async def own_it() -> None:
        async with Background() as background:
            _ = background.start(crash())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as crashed:
        await own_it()

    assert crashed.group_contains(RuntimeError)
