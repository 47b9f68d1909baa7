import asyncio
from collections.abc import AsyncIterator

import pytest

from llmsvc_server.app.tasks import Background
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.loads import FIRST_ETA_S, LOADS_AT_ONCE
from tests.fakes.eventually import eventually
from tests.fakes.virtual_time import virtually
from tests.unit.server.upstreams.warming import LoadBench


@pytest.fixture
async def tasks() -> AsyncIterator[Background]:
    async with Background() as made:
        yield made


async def test_many_callers_share_one_load(tasks: Background) -> None:
    bench = LoadBench(tasks)
    bench.source.gate.close()
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            _ = group.create_task(bench.wait("m"))
        await bench.source.gate.reached()
        is_loading, is_loaded = bench.loads.is_loading("m"), bench.loads.is_loaded("m")
        bench.source.gate.open()

    assert ["m"] == bench.source.asked
    assert (True, False) == (is_loading, is_loaded)
    assert (False, True) == (bench.loads.is_loading("m"), bench.loads.is_loaded("m"))


async def test_a_load_outlives_all_who_wait_for_it(tasks: Background) -> None:
    bench = LoadBench(tasks)
    bench.source.gate.close()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(bench.wait("m")) for _ in range(3)]
        await bench.source.gate.reached()
        for task in waiting:
            task.cancel()
    running = bench.source.running
    bench.source.gate.open()
    await eventually(lambda: bench.loads.is_loaded("m"))

    assert 1 == running
    assert ["m"] == bench.source.asked


async def test_an_endpoint_loads_one_model_at_a_time(tasks: Background) -> None:
    bench = LoadBench(tasks)
    async with asyncio.TaskGroup() as group:
        for model in "abc":
            _ = group.create_task(bench.wait(model))

    assert ["a", "b", "c"] == bench.source.asked
    assert 1 == bench.source.most_running


async def test_a_process_loads_four_at_a_time(tasks: Background) -> None:
    at_once = asyncio.Semaphore(LOADS_AT_ONCE)
    benches = [LoadBench(tasks, at_once=at_once) for _ in range(LOADS_AT_ONCE + 2)]
    for bench in benches:
        bench.source.gate.close()
        bench.begin("m")
    await eventually(lambda: sum(bench.source.running for bench in benches) == LOADS_AT_ONCE)
    benches[0].source.gate.open()
    await benches[0].wait("m")
    await eventually(lambda: sum(bench.source.running for bench in benches) == LOADS_AT_ONCE)

    assert LOADS_AT_ONCE + 1 == sum(len(bench.source.asked) for bench in benches)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ProviderError(ErrorKind.TRANSIENT, engine_died=True), ErrorKind.LOAD_FAILED),
        (ProviderError(ErrorKind.TRANSIENT, row="O12", status=500), ErrorKind.LOAD_FAILED),
        (ProviderError(ErrorKind.PROTOCOL), ErrorKind.LOAD_FAILED),
        (ProviderError(ErrorKind.SILENT), ErrorKind.LOAD_FAILED),
        (ProviderError(ErrorKind.LOAD_FAILED, row="O11"), ErrorKind.LOAD_FAILED),
        (ProviderError(ErrorKind.SATURATED), ErrorKind.SATURATED),
        (ProviderError(ErrorKind.MODEL_MISSING), ErrorKind.MODEL_MISSING),
        (ProviderError(ErrorKind.CONNECT, called=False), ErrorKind.CONNECT),
    ],
    ids=lambda value: value.kind.value if isinstance(value, ProviderError) else "",
)
async def test_a_failure_is_one_verdict_and_told_to_all(
    tasks: Background, failure: ProviderError, kind: ErrorKind
) -> None:
    bench = LoadBench(tasks)
    bench.source.failures = [failure]
    told = await asyncio.gather(*(bench.wait("m") for _ in range(10)), return_exceptions=True)

    assert 10 == len(set(map(id, told)))
    for error in told:
        assert isinstance(error, ProviderError)
        assert kind is error.kind
        assert ("load", False, "ollama") == (error.phase, error.called, error.endpoint)
        assert failure.row == error.row
    assert [("m", kind.value)] == bench.failed
    assert [("ollama/m", "loading", ""), ("ollama/m", "failed", kind.value)] == bench.told
    assert not bench.loads.is_loaded("m")


async def test_after_a_failure_the_next_caller_loads_again(tasks: Background) -> None:
    bench = LoadBench(tasks)
    bench.source.failures = [ProviderError(ErrorKind.LOAD_FAILED)]
    with pytest.raises(ProviderError, match=ErrorKind.LOAD_FAILED):
        await bench.wait("m")
    await bench.wait("m")

    assert ["m", "m"] == bench.source.asked


@virtually
async def test_a_load_without_an_answer_is_started_once_more() -> None:
    async with Background() as tasks, asyncio.TaskGroup() as group:
        bench = LoadBench(tasks, timeout_s=0.02)
        bench.source.gate.close()
        waiting = group.create_task(bench.wait("m"))
        await bench.source.gate.reached(2)
        bench.source.gate.open()
        await waiting

    assert ["m", "m"] == bench.source.asked
    assert 1 == bench.source.most_running
    assert [] == bench.failed


async def test_the_second_time_it_has_failed(tasks: Background) -> None:
    bench = LoadBench(tasks, timeout_s=0.02)
    bench.source.gate.close()
    with pytest.raises(ProviderError, match=ErrorKind.LOAD_FAILED):
        await bench.wait("m")

    assert ["m", "m"] == bench.source.asked
    assert [("m", "load_failed")] == bench.failed


async def test_how_long_a_load_takes_is_learned_from_those_before(tasks: Background) -> None:
    bench = LoadBench(tasks)
    etas_s = [bench.loads.eta_s("m")]
    for took_s in (10, 20, 0.2):
        await bench.load("m", took_s)
        etas_s.append(bench.loads.eta_s("m"))

    assert [FIRST_ETA_S, 10, 13, 13] == etas_s
    assert ("ollama/m", "loaded", "10.0 s") in bench.told
    assert 3 == sum(state == "loaded" for _, state, _ in bench.told)


async def test_what_is_left_of_a_load_shrinks_and_those_in_front_add_to_it(
    tasks: Background,
) -> None:
    bench = LoadBench(tasks)
    await bench.load("a", 10)
    await bench.load("b", 20)
    bench.source.gate.close()
    bench.begin("a")
    bench.begin("b")
    await bench.source.gate.reached(3)
    bench.clock.advance(4)
    early = [bench.loads.eta_s(model) for model in "abc"]
    bench.clock.advance(40)

    assert [6, 26, 56] == early
    assert [1, 21] == [bench.loads.eta_s(model) for model in "ab"]


async def test_a_look_is_a_hint_that_our_own_knowledge_outdoes(tasks: Background) -> None:
    bench = LoadBench(tasks)
    bench.seen.add("m")
    seen = bench.loads.is_loaded("m")
    bench.loads.mark_cold("m")
    bench.loads.take_poll()
    dead = bench.loads.is_loaded("m")
    bench.seen.clear()
    await bench.wait("m")
    loaded = bench.loads.is_loaded("m")
    bench.loads.take_poll()

    assert [True, False, True, False] == [seen, dead, loaded, bench.loads.is_loaded("m")]


async def test_a_silent_model_that_answers_a_load_at_once_is_in_memory(tasks: Background) -> None:
    bench = LoadBench(tasks)

    assert await bench.confirm("m")
    assert [] == bench.told


async def test_a_silent_model_that_does_not_is_loading(tasks: Background) -> None:
    bench = LoadBench(tasks, confirm_s=0.02)
    bench.source.gate.close()
    first, second = await asyncio.gather(bench.confirm("m"), bench.confirm("m"))
    still = bench.loads.is_loading("m")

    assert (False, False, True) == (first, second, still)
    assert ["m"] == bench.source.asked
    assert [("ollama/m", "loading", "")] == bench.told


async def test_a_silent_model_whose_load_fails_is_not_in_memory(tasks: Background) -> None:
    bench = LoadBench(tasks)
    bench.source.failures = [ProviderError(ErrorKind.LOAD_FAILED)]

    assert not await bench.confirm("m")


async def test_who_waits_when_the_process_ends_is_not_told_that_it_is_loaded() -> None:
    async with Background() as tasks:
        bench = LoadBench(tasks)
        bench.source.gate.close()
        load = bench.begin("m")
        await bench.source.gate.reached()
    with pytest.raises(ProviderError, match=ErrorKind.COLD_LOAD):
        await load.join()

    assert [] == bench.failed


@pytest.mark.parametrize(
    ("size_bytes", "eta_s"),
    [(None, FIRST_ETA_S), (1_000_000, 5.0), (4_000_000_000, 20.0), (10**12, 300.0)],
)
async def test_the_first_guess_comes_from_the_size_on_disk(
    tasks: Background, size_bytes: int | None, eta_s: float
) -> None:
    assert eta_s == LoadBench(tasks, size_bytes=size_bytes).loads.eta_s("phi3")


@pytest.mark.parametrize("took_s", [0.0, 0.1, 0.4, 0.6, 90.0])
async def test_a_load_that_was_told_to_begin_is_told_to_end(
    tasks: Background, took_s: float
) -> None:
    bench = LoadBench(tasks)
    await bench.load("m", took_s=took_s)

    assert [
        ("ollama/m", "loading", ""),
        ("ollama/m", "loaded", f"{took_s:.1f} s"),
    ] == bench.told


async def test_a_load_that_ends_before_it_was_told_is_told_as_a_pair_or_not_at_all(
    tasks: Background,
) -> None:
    bench = LoadBench(tasks)
    assert await bench.confirm("m")
    quick = bench.told
    bench.source.failures.append(ProviderError(ErrorKind.SATURATED))
    await bench.confirm("m")

    assert [] == quick
    assert ["loading", "failed"] == [state for _, state, _ in bench.told]


async def test_a_load_that_ends_with_the_process_is_told_to_end() -> None:
    async with Background() as tasks:
        bench = LoadBench(tasks)
        bench.source.gate.close()
        bench.begin("m")
        await bench.source.gate.reached()

    assert ["loading", "given up"] == [state for _, state, _ in bench.told]


async def test_it_says_what_our_loads_and_calls_have_found_out(tasks: Background) -> None:
    bench = LoadBench(tasks)
    said = [repr(bench.loads)]
    bench.loads.mark_cold("a")
    await bench.wait("b")
    bench.source.gate.close()
    bench.begin("c")
    said.append(repr(bench.loads))
    bench.source.gate.open()

    assert [
        "<Loads of ollama: as polled>",
        "<Loads of ollama: c loading, a cold, b warm>",
    ] == said


async def test_a_load_that_nobody_was_told_of_ends_in_silence_too() -> None:
    async with Background() as tasks:
        bench = LoadBench(tasks)
        bench.source.gate.close()
        bench.begin("m", is_quiet=True)
        await bench.source.gate.reached()

    assert [] == bench.told
