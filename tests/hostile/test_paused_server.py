"""A server that stood still, as on a machine that gives its time to others: no upstream was silent."""

import asyncio
import signal
from pathlib import Path

import grpc

from tests.fakes.crowd import crowd, stream
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_stage import Stage
from tests.fakes.ollama_steps import done, token
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server

CALLERS = 50
SILENCE_S = 1
PAUSE_S = 1.3 * SILENCE_S
PIECES = 30
GAP_S = 0.1


async def a_gap(_stage: Stage | None = None, length_s: float = GAP_S) -> None:
    """Return after a while, by a timer of the loop's."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(length_s, over.set)
    await over.wait()


async def test_streams_outlive_a_pause_of_the_server(tmp_path: Path, figures: Figures) -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, [(a_gap, token(" b"))] * PIECES, done(), times=CALLERS)
        entry = {
            "base_url": fake.base_url,
            "model": "phi3:mini",
            "max_in_flight_per_model": CALLERS,
            "timeout": SILENCE_S,
        }
        tree = {"llm": {"providers": {"ollama": entry}, "default_provider": "ollama"}}
        async with (
            measured_server(tmp_path, tree) as server,
            grpc.aio.insecure_channel(server.address) as channel,
            asyncio.TaskGroup() as group,
        ):
            calls = group.create_task(crowd(channel, stream, callers=CALLERS, each=1))
            await gate.reached(CALLERS)
            gate.open()
            server.process.send(signal.SIGSTOP)
            await a_gap(length_s=PAUSE_S)
            server.process.send(signal.SIGCONT)

    ended = calls.result()
    figures("streams cut by a pause of the server", CALLERS - ended["OK"], 0, "")
    assert {"OK": CALLERS} == ended
