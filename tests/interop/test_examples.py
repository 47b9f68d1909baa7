"""Every example of docs/clients.md does what the page says."""

import os
import sys
from pathlib import Path

import pytest

from tests.interop.examples import blocks, example, examples
from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import ROOT, SEARCHED, missing, program
from tests.interop.running import Ran, run

RUN_HERE = {
    "python-stream": "CANNED ANSWER",
    "python-blocking": "It received 4 messages",
    "python-errors": "no model named no-such-model",
    "grpcurl": '"completed"',
    "health-probe": "SERVING",
    "buf-curl": "CANNED ANSWER",
    "go-stubs": "",
    "go-stream": "CANNED ANSWER",
    "node-stream": "CANNED ANSWER",
    "node-errors": "(INVALID_REQUEST)",
}


def test_every_block_of_code_is_run_here() -> None:
    assert RUN_HERE.keys() == examples().keys()
    assert len(RUN_HERE) == blocks()


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def assert_said(name: str, ran: Ran) -> None:
    said = ran.out + ran.err
    assert 0 == ran.code, said
    assert RUN_HERE[name] in said


@pytest.mark.parametrize("name", ["python-stream", "python-blocking", "python-errors"])
async def test_python(name: str, mocked: str) -> None:
    assert_said(name, await run(sys.executable, "-c", example(name, mocked)))


@pytest.mark.interop
@pytest.mark.parametrize("name", ["grpcurl", "health-probe", "buf-curl"])
async def test_shell(name: str, mocked: str) -> None:
    for tool in ("grpcurl", "grpc-health-probe", "buf"):
        program(tool)
    script = example(name, mocked)

    assert_said(name, await run("bash", "-euc", script, environment={"PATH": SEARCHED}))


@pytest.mark.interop
async def test_go_stubs(tmp_path: Path) -> None:
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
        program(plugin)
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    protoc = tmp_path / "protoc"
    protoc.write_text(f'#!/bin/sh\nexec {sys.executable} -m grpc_tools.protoc "$@"\n')
    protoc.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{SEARCHED}"}
    ran = await run("bash", "-euc", examples()["go-stubs"], cwd=tmp_path, environment=path)

    assert_said("go-stubs", ran)
    assert {"llm.pb.go", "llm_grpc.pb.go"} == names_in(tmp_path / "gen/llmsvcv1")


@pytest.mark.interop
async def test_go(workshop: GoWorkshop, mocked: str) -> None:
    built = await workshop.build("go-stream", example("go-stream", mocked))

    assert_said("go-stream", await run(built))


@pytest.mark.interop
@pytest.mark.parametrize("name", ["node-stream", "node-errors"])
async def test_node(name: str, mocked: str, tmp_path: Path) -> None:
    packages = ROOT / "tests/interop/node/node_modules"
    if not (packages / ".fetched").exists():
        missing("the Node client's packages are")
    (tmp_path / "node_modules").symlink_to(packages)
    script = tmp_path / "example.mjs"
    script.write_text(example(name, mocked), encoding="utf-8")

    assert_said(name, await run(program("node"), script))
