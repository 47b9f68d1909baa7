"""An engine that ends under a schema: that is the schema's doing, and nobody else pays for it."""

from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.chat.features import (
    NO_FEATURES,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState
from llmsvc_server.upstreams.breaker import STREAK
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import CLOUD, Bench, unreachable

FORMAT = Features(response_format=ResponseFormat())
TOOL = Tool(name="f", parameters_json_schema='{"type":"object"}')
TOOLS = Features(tools=(TOOL,))
each_with_schema = pytest.mark.parametrize("features", [FORMAT, TOOLS])

DIED = ProviderError(ErrorKind.TRANSIENT, row="O10b", engine_died=True)
LOST = ProviderError(ErrorKind.CONNECT, row="C03", phase="first_token")
CUT = ProviderError(ErrorKind.TRANSIENT, row="C07", phase="stream")
each_end = pytest.mark.parametrize("end", [DIED, LOST, CUT], ids=["told", "lost", "cut"])


async def failing(
    bench: Bench,
    end: ProviderError,
    features: Features,
    *,
    model: str = MODEL,
    stays_local: bool = True,
) -> ProviderError:
    """Return how a call with features ends; what it says of the upstream counts."""
    bench.adapter.will(end)
    verdicts: Verdicts = {}
    request = chat_request(model=model, features=features).for_model(model, stays_local=stays_local)
    try:
        async with aclosing(
            bench.upstream.run(request, limits_of(), bench.receipt(), verdicts)
        ) as events:
            async for _ in events:
                pass
    except ProviderError as error:
        return error
    finally:
        bench.upstream.count(verdicts)
    raise AssertionError("it answered")


@each_end
@each_with_schema
async def test_the_end_of_an_engine_under_a_schema_is_the_requests_own(
    end: ProviderError, features: Features
) -> None:
    bench = Bench()
    for _ in range(STREAK):
        error = await failing(bench, end, features)

        assert (ErrorKind.FATAL_SCHEMA, end.row) == (error.kind, error.row)
    assert BreakerState.CLOSED is bench.connecting.state is bench.answering.state
    assert not bench.endpoint.is_troubled


WITHOUT = {
    "texts": NO_FEATURES,
    "a tool without arguments": Features(tools=(Tool(name="f"),)),
    "tools that may not be called": Features(
        tools=(TOOL,), choice=ToolChoice(mode=ChoiceMode.NONE)
    ),
}


@each_end
@pytest.mark.parametrize("features", WITHOUT.values(), ids=WITHOUT)
async def test_without_a_schema_it_is_the_engines(end: ProviderError, features: Features) -> None:
    bench = Bench()

    assert end.kind is (await failing(bench, end, features)).kind


FAULTS = {
    "refused": unreachable(),
    "another failure": ProviderError(ErrorKind.TRANSIENT, row="O12"),
    "a load that failed": ProviderError(ErrorKind.LOAD_FAILED, row="O11"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_other_faults_stay_what_they_are(fault: ProviderError) -> None:
    assert fault.kind is (await failing(Bench(), fault, FORMAT)).kind


async def test_a_vendor_loses_connections_for_reasons_of_its_own() -> None:
    assert LOST.kind is (await failing(Bench(info=CLOUD), LOST, FORMAT)).kind
    assert CUT.kind is (await failing(Bench(), CUT, FORMAT, stays_local=False)).kind


@each_end
async def test_who_is_broken_off_with_it_says_nothing_of_its_health(end: ProviderError) -> None:
    bench, gate = Bench(), Gate()
    bench.adapter.will(Delta("a"), gate, done())
    request = chat_request(model=MODEL, features=FORMAT)
    async with aclosing(
        bench.upstream.run(request, limits_of(), bench.receipt(), {})
    ) as with_schema:
        await anext(with_schema)
        for _ in range(STREAK):
            error = await failing(bench, end, NO_FEATURES)
            assert (end.kind, True) == (error.kind, error.is_cut_short)

    assert BreakerState.CLOSED is bench.connecting.state is bench.answering.state


@each_end
async def test_nor_does_who_hears_of_it_a_moment_later(end: ProviderError) -> None:
    bench = Bench()
    await failing(bench, end, FORMAT)

    assert (await failing(bench, end, NO_FEATURES)).is_cut_short
    bench.clock.advance(1)
    assert not (await failing(bench, end, NO_FEATURES)).is_cut_short


async def test_one_models_engine_is_not_anothers() -> None:
    bench = Bench()
    bench.facts[0].known.add("other")
    await failing(bench, DIED, FORMAT)

    assert not (await failing(bench, DIED, NO_FEATURES, model="other")).is_cut_short
    assert (await failing(bench, LOST, NO_FEATURES, model="other")).is_cut_short
