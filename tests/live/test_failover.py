"""Twenty callers of an Ollama that goes and comes back, with a cloud behind it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.live.ollama_process import OllamaProcess
from tests.live.service import Service, service_over
from tests.live.subject import BASE_URL, our_own, persons_own
from tests.live.tiny_models import ENDLESS
from tests.live.traffic import Traffic, Way, traffic
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import KEY, Protocol

pytestmark = pytest.mark.live

SLOTS = 4
WORDS = 20
SEVERAL = 12
LIMIT_S = 30.0
SILENCE_S = 5.0  # callers outwait it, also one that had to wait for its turn
# Calls that Ollama leaves hanging are silence: SILENCE_S, a pause of 30 s and a tenth, and then the
# model's weights once more, beside everything else that this machine does.
ENGINE_BACK_S = 60.0
BACK_WITHIN_S = 15.0
TEXTS = {
    "ollama": "".join(ENDLESS.script.words[:WORDS]).strip(),
    "cloud": "from the cloud",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An Ollama, the cloud after it, and the service over both."""

    ollama: OllamaProcess
    cloud: FaultServer
    served: Service


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Return them, for this test alone."""
    if persons_own() is not None:
        pytest.skip(f"{BASE_URL} is set: nothing is broken there")
    async with (
        our_own(tmp_path, slots=SLOTS) as subject,
        FaultServer(Protocol.OPENAI, says=TEXTS["cloud"]) as cloud,
        service_over(
            tmp_path,
            ollama={
                "base_url": subject.base_url,
                "model": subject.talker,
                "max_in_flight_per_model": SLOTS,
                "timeout": SILENCE_S,
            },
            cloud={
                "kind": "openai",
                "base_url": cloud.root,
                "model": cloud.model,
                "api_key": KEY,
            },
        ) as served,
    ):
        assert subject.process is not None
        yield Pair(ollama=subject.process, cloud=cloud, served=served)


@pytest.fixture
def request_() -> llm_pb2.ChatRequest:
    """Return a request whose answer takes Ollama about a quarter of a second."""
    request = chat_message()
    request.generation_config.max_output_tokens = WORDS
    return request


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def under_way(callers: Traffic) -> None:
    """Wait until Ollama answers, and has just begun a stream."""
    await eventually(lambda: len(callers.answered("ollama")) >= SEVERAL, within_s=LIMIT_S)
    await eventually(
        lambda: any(
            call.provider == "ollama" and len(call.text) < len(TEXTS["ollama"]) / 4
            for call in callers.in_mid_stream
        ),
        within_s=LIMIT_S,
    )


async def answers(
    callers: Traffic, provider: str, *, since_s: float, within_s: float = LIMIT_S
) -> None:
    """Wait until a call that began after a point of time is answered."""
    await eventually(lambda: bool(callers.answered(provider, since_s=since_s)), within_s=within_s)


def assert_nothing_is_lost(
    callers: Traffic, cloud: FaultServer, *, breaking_s: float, broken_s: float
) -> None:
    """Check the account of an Ollama that broke between two points of time."""
    interrupted = [call for call in callers.failed if call.reason == "STREAM_INTERRUPTED"]

    assert [] == [call for call in callers.failed if call not in interrupted]
    assert [] == [call for call in callers.calls if not call.code]
    assert interrupted
    for call in interrupted:
        assert (Way.STREAM, "ABORTED", "ollama") == (call.way, call.code, call.provider)
        assert call.began_at_s <= broken_s
        assert call.ended_at_s >= breaking_s
        assert TEXTS["ollama"].startswith(call.text.strip())
    answered = {provider: callers.answered(provider) for provider in TEXTS}
    for provider, calls in answered.items():
        assert {TEXTS[provider]} >= {call.text.strip() for call in calls}
    assert len(callers.calls) == sum(map(len, answered.values())) + len(interrupted)
    assert len(cloud.chats) == len(answered["cloud"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_no_call_is_lost_while_ollama_is_gone_and_it_serves_again_once_it_is_back(
    pair: Pair, request_: llm_pb2.ChatRequest, how: signal.Signals
) -> None:
    async with traffic(pair.served, request_) as callers:
        await under_way(callers)
        breaking_s = now_s()
        await pair.ollama.stop(how)
        broken_s = now_s()
        await pair.served.until(serving=False, name="provider/ollama")
        await answers(callers, "cloud", since_s=broken_s)
        await pair.ollama.start()
        back_at_s = now_s()
        await pair.served.until(serving=True, name="provider/ollama")
        await answers(callers, "ollama", since_s=back_at_s)

    assert_nothing_is_lost(callers, pair.cloud, breaking_s=breaking_s, broken_s=broken_s)
    assert [True] == callers.ready
    first = min(call.began_at_s for call in callers.answered("ollama", since_s=back_at_s))
    assert first - back_at_s <= BACK_WITHIN_S


async def test_no_call_is_lost_when_the_engine_dies_alone(
    pair: Pair, request_: llm_pb2.ChatRequest
) -> None:
    async with traffic(pair.served, request_) as callers:
        await under_way(callers)
        (engine,) = pair.ollama.engines()
        breaking_s = now_s()
        engine.kill()
        broken_s = now_s()
        await answers(callers, "ollama", since_s=broken_s, within_s=ENGINE_BACK_S)

    assert_nothing_is_lost(callers, pair.cloud, breaking_s=breaking_s, broken_s=broken_s)
    assert [True] == callers.ready
