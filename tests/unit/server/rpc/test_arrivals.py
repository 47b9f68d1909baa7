"""Who is given up while requests arrive, on a clock that jumps."""

import asyncio
from typing import cast

import pytest

from llmsvc_server.errors import InvalidRequest, Overloaded
from llmsvc_server.rpc.arrivals import GRACE_S, LARGE_BYTES, Arrivals
from llmsvc_server.rpc.door.interface import Context
from tests.fakes.virtual_time import run_virtually

SHORT, PLENTY = True, False


async def passed(length_s: float) -> None:
    """Return when so much of the loop's time has passed, which is none of ours."""
    over = asyncio.Event()
    _ = asyncio.get_running_loop().call_later(length_s, over.set)
    await over.wait()


class Caller:
    """One that sends its request after a while; None ends the call without."""

    def __init__(self, after_s: float, request: bytes | None = b"hi") -> None:
        """Be as slow."""
        self._after_s = after_s
        self._request = request

    async def read(self) -> object:
        """Wait for it."""
        await passed(self._after_s)
        return self._request


def ends(*callers: Caller, most: int, short: bool, apart_s: float = 0.0) -> list[str]:
    """Return what became of callers that begin one after the other."""

    async def one(arrivals: Arrivals, caller: Caller, begins_s: float) -> str:
        await passed(begins_s)
        try:
            request = await arrivals.read_request(cast("Context", caller))
        except (Overloaded, InvalidRequest) as error:
            return type(error).__name__
        return f"{len(request)} bytes"

    async def main() -> list[str]:
        clock = asyncio.get_running_loop().time
        arrivals = Arrivals(max_arriving=most, is_memory_short=lambda: short, clock=clock)
        return await asyncio.gather(
            *(one(arrivals, caller, number * apart_s) for number, caller in enumerate(callers))
        )

    return run_virtually(main())


@pytest.mark.parametrize(
    ("most", "short", "expected"),
    [
        (3, SHORT, ["2 bytes"] * 3),
        (1, PLENTY, ["2 bytes"] * 3),
        (1, SHORT, ["Overloaded", "Overloaded", "2 bytes"]),
        (0, SHORT, ["Overloaded"] * 3),
    ],
)
def test_the_oldest_of_too_many_are_given_up_where_memory_is_short(
    *, most: int, short: bool, expected: list[str]
) -> None:
    assert expected == ends(*[Caller(9)] * 3, most=most, short=short)


def test_who_is_quick_is_never_given_up() -> None:
    assert ["2 bytes"] * 50 == ends(*[Caller(GRACE_S / 2)] * 50, most=0, short=SHORT)


def test_each_gets_its_own_grace() -> None:
    quick = [Caller(GRACE_S * 0.9)] * 4

    assert ["2 bytes"] * 4 == ends(*quick, most=0, short=SHORT, apart_s=GRACE_S * 0.7)


def test_large_requests_take_turns_and_all_arrive() -> None:
    large = [Caller(0.01, bytes(LARGE_BYTES + 1))] * 5

    assert [f"{LARGE_BYTES + 1} bytes"] * 5 == ends(*large, most=9, short=SHORT)


def test_a_call_without_a_request_is_told_so() -> None:
    assert ["InvalidRequest"] == ends(Caller(0.01, None), most=9, short=SHORT)
