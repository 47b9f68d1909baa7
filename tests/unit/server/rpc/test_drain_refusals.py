import asyncio

from llmsvc_server.rpc.drain_refusals import MAX_HELD, MAX_HELD_S, QUIET_S, DrainRefusals
from tests.fakes.virtual_time import run_virtually


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def took_s(refusals: DrainRefusals, timeout_s: float = 60.0) -> float:
    """Keep one refusal back; return for how long."""
    began_s = now_s()
    await refusals.wait(timeout_s)
    return now_s() - began_s


def keep_coming(
    refusals: DrainRefusals, group: asyncio.TaskGroup, *, every_s: float, times: int
) -> None:
    """Let callers come, of whom one at least is there until the last has come."""
    for number in range(times):
        asyncio.get_running_loop().call_later(
            number * every_s, lambda: group.create_task(refusals.wait(60))
        )


def test_a_refusal_is_kept_back_until_it_is_released_and_later_ones_are_not() -> None:
    async def main() -> tuple[float, float]:
        refusals = DrainRefusals()
        asyncio.get_running_loop().call_later(0.5, refusals.release)
        return await took_s(refusals), await took_s(refusals)

    assert (0.5, 0) == run_virtually(main())


def test_a_refusal_that_nobody_releases_is_told_all_the_same() -> None:
    async def main() -> tuple[float, float]:
        refusals = DrainRefusals()
        return await took_s(refusals), await took_s(refusals, timeout_s=0.25)

    assert (MAX_HELD_S, 0.25) == run_virtually(main())


def test_who_comes_above_the_bound_is_told_at_once() -> None:
    async def main() -> list[float]:
        refusals = DrainRefusals()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(took_s(refusals)) for _ in range(MAX_HELD + 1)]
        return [task.result() for task in tasks]

    assert [MAX_HELD_S] * MAX_HELD + [0] == run_virtually(main())


def test_it_is_quiet_once_nobody_has_come_for_a_while() -> None:
    async def main() -> tuple[float, float]:
        refusals = DrainRefusals()
        await refusals.wait_for_quiet()
        alone_s = now_s()
        async with asyncio.TaskGroup() as group:
            keep_coming(refusals, group, every_s=QUIET_S / 2, times=4)
            await refusals.wait_for_quiet()
            after_some_s = now_s() - alone_s
            refusals.release()
        return alone_s, after_some_s

    alone_s, after_some_s = run_virtually(main())

    assert QUIET_S == alone_s
    assert 2 * QUIET_S < after_some_s < MAX_HELD_S


def test_where_it_never_gets_quiet_the_wait_has_an_end() -> None:
    async def main() -> float:
        refusals = DrainRefusals()
        async with asyncio.TaskGroup() as group:
            keep_coming(refusals, group, every_s=QUIET_S / 2, times=60)
            await refusals.wait_for_quiet()
            return now_s()

    assert abs(run_virtually(main()) - MAX_HELD_S) < QUIET_S


def test_a_release_ends_the_wait_for_quiet() -> None:
    async def main() -> float:
        refusals = DrainRefusals()
        refusals.release()
        await refusals.wait_for_quiet()
        return now_s()

    assert 0 == run_virtually(main())
