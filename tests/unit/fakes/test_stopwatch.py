import asyncio
import threading

import pytest

from tests.fakes.stopwatch import Stopwatch
from tests.fakes.virtual_time import virtually


@virtually
async def test_it_counts_what_is_waited() -> None:
    with Stopwatch() as watch:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, passed.set)
        await passed.wait()

    assert pytest.approx(0.1, abs=0.002) == watch.passed_s


async def test_it_does_not_count_while_the_loop_stands_still() -> None:
    with Stopwatch() as watch:
        asyncio.get_running_loop().call_soon(threading.Event().wait, 0.3)
        for _ in range(3):
            await asyncio.sleep(0)

    assert watch.passed_s < 0.1


@virtually
async def test_it_stands_still_once_it_is_left() -> None:
    with Stopwatch() as watch:
        pass
    before_s = watch.passed_s
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, passed.set)
    await passed.wait()

    assert before_s == watch.passed_s
