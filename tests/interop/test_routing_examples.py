"""The examples of docs/clients.md about routing, over an Ollama with a cloud after it."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import done, token
from tests.interop.conftest import LocalThenCloud
from tests.interop.examples import examples, run_example
from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import SEARCHED
from tests.interop.running import LIMIT_S, run
from tests.scenarios.steps import answer

RUN_BESIDE = {
    "command-line",
    "python-routing",
    "python-routing-prints",
    "python-progress",
    "grpcurl-local-only",
    "node-errors",
}
LOCAL_TEXT = "Rayleigh scattering."


def masked(text: str) -> list[str]:
    """Return the lines without what no two runs share: milliseconds, and ids of requests."""
    without = re.sub(r"\d+ ms", "N ms", re.sub(r"request [0-9a-f]+", "request ID", text))
    return without.splitlines()


async def test_the_command_prints_what_the_page_shows(cloud_helps: LocalThenCloud) -> None:
    shown = examples()["command-line"].code
    printed = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            environment = {"PATH": SEARCHED, "LLMSVC_CLIENT_ADDRESS": cloud_helps.address}
            ran = await run("sh", "-c", f"exec 2>&1; {line[2:]}", environment=environment)
            printed += [line, *masked(ran.out)]

    assert masked(shown) == printed


async def test_python_is_told_what_was_tried(cloud_helps: LocalThenCloud, tmp_path: Path) -> None:
    failed = await run_example("python-routing", cloud_helps.address, tmp_path)
    cloud_helps.ollama.always(answer(LOCAL_TEXT))
    answered = await run_example("python-routing", cloud_helps.address, tmp_path)

    assert examples()["python-routing-prints"].code == failed.out, failed.err
    assert [f"{LOCAL_TEXT} local", "ollama phi3:mini OK  True"] == answered.out.splitlines()
    assert 0 == cloud_helps.cloud.connections


async def test_python_is_told_that_there_is_no_such_provider(mocked: str, tmp_path: Path) -> None:
    failed = await run_example("python-routing", mocked, tmp_path)

    assert "PROVIDER_NOT_FOUND \n" == failed.out, failed.err


async def test_python_gets_signs_of_life(over_ollama: str, ollama: FakeOllama) -> None:
    gate = Gate()
    ollama.will(gate, token("Because."), done())
    code = examples()["python-progress"].at(over_ollama)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        first = await process.stdout.readline()
        gate.open()
        rest, _ = await process.communicate()

    assert re.fullmatch(rb"\[[a-z_]+, [0-9.]+ s\]\n", first)
    assert rest.endswith(b"Because.")
    assert 0 == process.returncode


@pytest.mark.interop
async def test_grpcurl_keeps_a_call_inside(
    local_then_cloud: LocalThenCloud, tmp_path: Path
) -> None:
    ran = await run_example("grpcurl-local-only", local_then_cloud.address, tmp_path)

    assert LOCAL_TEXT in ran.out, ran.err
    assert '"effectivePrivacyMode": "PRIVACY_MODE_LOCAL_ONLY"' in ran.out


@pytest.mark.interop
async def test_node_is_told_what_was_tried(cloud_helps: LocalThenCloud, tmp_path: Path) -> None:
    ran = await run_example("node-errors", cloud_helps.address, tmp_path)

    failure, *tried = ran.out.splitlines()
    assert failure.endswith("(PROVIDER_ERROR)"), ran.err
    assert ["tried ollama phi3:mini ERROR_REASON_PROVIDER_ERROR true"] * 2 == tried
    assert 0 == cloud_helps.cloud.connections


@pytest.mark.interop
async def test_go_is_told_what_was_tried_and_stays_inside(
    workshop: GoWorkshop, cloud_helps: LocalThenCloud
) -> None:
    code = examples()["go-stream"].at(cloud_helps.address)
    built = await workshop.build("go-stream-inside", code)
    failed = await run(built)
    cloud_helps.ollama.always(answer(LOCAL_TEXT))
    answered = await run(built)

    assert "reason PROVIDER_ERROR" in failed.out
    assert 2 == failed.out.count("ERROR_REASON_PROVIDER_ERROR true")
    assert "ERROR_REASON_ROUTE_FORBIDDEN false" in failed.out
    assert f"{LOCAL_TEXT}\nollama\n" == answered.out
    assert 0 == cloud_helps.cloud.connections
