import asyncio

import pytest

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate


async def test_returns_once_the_condition_holds() -> None:
    seen: list[int] = []
    asyncio.get_running_loop().call_soon(seen.append, 1)

    await eventually(lambda: bool(seen))

    assert seen == [1]


async def test_names_its_bound_when_the_condition_never_holds() -> None:
    with pytest.raises(AssertionError, match=r"still not so after 0\.01 s"):
        await eventually(lambda: False, within_s=0.01)


async def test_an_open_gate_stops_nobody() -> None:
    gate = Gate()
    gate.open()

    await gate.passed()

    assert (gate.arrivals, gate.waiting) == (1, 0)
