"""Lists and documents of upstreams that are made to hold everybody up."""

import math
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_stage import NDJSON
from tests.fakes.ollama_steps import page
from tests.fakes.requests import chat_message
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import MeasuredServer, measured_server
from tests.hostile.probe import probing

COUNT = 100_000
LAST = f"model-{COUNT - 1:06}:latest"
KNOWN = 2_000
TRIES = 3
WORST_MS = 1_000.0
"""Of a machine that does other things too; what the server takes at once is 20 ms at most."""


def tags(version: int) -> str:
    """Return a list of models that differs from the one of another version."""
    names = (f"model-{number:06}:latest" for number in range(COUNT))
    digest = f"{version:064}"
    entries = (f'{{"name":"{name}","model":"{name}","digest":"{digest}"}}' for name in names)
    return '{"models":[' + ",".join(entries) + "]}"


def tree(fake: FakeOllama) -> Mapping[str, object]:
    ollama = {"base_url": fake.base_url, "model": LAST}
    llm = {"providers": {"ollama": ollama}, "default_provider": "ollama"}
    return {"llm": llm, "health": {"refresh_s": 0.5}}


async def listed(server: MeasuredServer) -> Mapping[str, health_pb2.HealthCheckResponse]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        told: health_pb2.HealthListResponse = await stub.List(
            health_pb2.HealthListRequest(), timeout=30
        )
        return dict(told.statuses)


async def ended(server: MeasuredServer, model: str = "") -> str:
    """Chat once; return the status."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        try:
            await llm_pb2_grpc.LLMServiceStub(channel).Chat(chat_message(model=model), timeout=60)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
    return "OK"


@pytest.mark.alone
async def test_a_list_of_100_000_models_holds_nobody_up(tmp_path: Path, figures: Figures) -> None:
    async with FakeOllama(models=(LAST,)) as fake:
        for version in range(6):  # read anew each time, and then once for all
            times = math.inf if version == 5 else 1
            script = page(200, tags(version), "application/json")
            fake.will(script, path="/api/tags", times=times)
        async with measured_server(tmp_path, tree(fake)) as server:
            async with probing(server.address) as delays:
                await eventually(
                    lambda: sum(one.path == "/api/tags" for one in fake.exchanges) >= 9,
                    within_s=60,
                )
                statuses = await listed(server)
                status = await ended(server)
            told = server.process.events("models.changed")
            await server.stop()

    figures("list of 100,000 models, p99 of health checks", delays.p99_s * 1000, 50, "ms")
    figures("list of 100,000 models, slowest check", delays.worst_s * 1000, WORST_MS, "ms")
    figures("list of 100,000 models, names in health", len(statuses), KNOWN + 10, "names")
    assert "OK" == status
    assert health_pb2.HealthCheckResponse.SERVING == statuses[f"model/{LAST}"].status
    assert KNOWN <= len(statuses) <= KNOWN + 10
    assert 1 == len(told)
    assert delays.worst_s <= WORST_MS / 1000


MIB = 2**20
FULL = 8 * MIB - 1_000


def line(content: str = '""', **extra: str) -> str:
    more = "".join(f',"{key}":{value}' for key, value in extra.items())
    return f'{{"message":{{"content":{content}}},"done":true{more}}}\n'


def full_of(piece: str) -> str:
    return piece * (FULL // len(piece))


DOCUMENTS = {
    "lists": line(eval_count="[" + full_of("[],") + "0]"),
    "objects": line("[" + full_of("{},") + "{}]"),
    "parts": line("[" + full_of('{"type":"text","text":"a"},') + "{}]"),
    "escapes": line('"' + full_of("\\u4e2d") + '"'),
    "digits": line(eval_count=full_of("1")),
    "depth": line(zzz=full_of("[")),
    "blanks": line('"a"' + full_of(" ")),
    "error": '{"error":"' + full_of("a") + '"}\n',
}


@pytest.mark.alone
async def test_no_document_of_8_mib_holds_anybody_up(tmp_path: Path, figures: Figures) -> None:
    names = (LAST, *(f"{name}:latest" for name in DOCUMENTS))
    async with FakeOllama(models=names, loaded=names) as fake:
        for name, document in DOCUMENTS.items():
            fake.will(page(200, document, NDJSON), model=f"{name}:latest", times=math.inf)
        async with measured_server(tmp_path, tree(fake)) as server:
            statuses: dict[str, str] = {}
            worst_ms: list[float] = []
            while not worst_ms or (min(worst_ms) > WORST_MS and len(worst_ms) < TRIES):
                async with probing(server.address) as delays:
                    statuses |= {name: await ended(server, name) for name in DOCUMENTS}
                worst_ms.append(delays.worst_s * 1000)
            await server.stop()

    figures("documents of 8 MiB, slowest health check", min(worst_ms), WORST_MS, "ms")
    assert len(DOCUMENTS) <= sum(one.path == "/api/chat" for one in fake.exchanges), statuses
    assert {"INTERNAL", "UNAVAILABLE", "OK"} == set(statuses.values())
    assert min(worst_ms) <= WORST_MS
