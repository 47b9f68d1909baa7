"""Every example of docs/clients.md does what the page says. Those about routing: see beside."""

from pathlib import Path

import pytest

from tests.interop.examples import blocks, examples, run_example
from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import ROOT, SEARCHED, program
from tests.interop.running import Ran, run
from tests.interop.test_routing_examples import RUN_BESIDE, masked

RUN_HERE = {
    "python-stream": "CANNED ANSWER",
    "python-blocking": "It received 4 messages",
    "python-errors": "no model named no-such-model",
    "python-tools": "It received 1 result of a tool",
    "python-tools-stream": "call get_time {}",
    "python-schema": "age 0",
    "python-refusal": "CANNED ANSWER",
    "command-line-tools": "",
    "grpcurl": '"completed"',
    "health-probe": "SERVING",
    "buf-curl": "CANNED ANSWER",
    "descriptor-set": "CANNED ANSWER",
    "go-stubs": "",
    "go-stream": "CANNED ANSWER",
    "node-stream": "CANNED ANSWER",
}


def test_every_block_of_code_is_run() -> None:
    assert RUN_HERE.keys() | RUN_BESIDE == examples().keys()
    assert len(examples()) == blocks()


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def assert_said(name: str, ran: Ran) -> None:
    said = ran.out + ran.err
    assert 0 == ran.code, said
    assert RUN_HERE[name] in said


async def test_the_command_prints_what_the_page_shows(mocked: str, tmp_path: Path) -> None:
    shown = examples()["command-line-tools"].code
    environment = {"PATH": SEARCHED, "LLMSVC_CLIENT_ADDRESS": mocked}
    printed = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            command = f"exec 2>&1; {line[2:]}"
            ran = await run("sh", "-c", command, cwd=tmp_path, environment=environment)
            printed += [line, *masked(ran.out)]

    assert masked(shown) == printed


@pytest.mark.parametrize("name", [name for name in RUN_HERE if name.startswith("python-")])
async def test_python(name: str, mocked: str, tmp_path: Path) -> None:
    assert_said(name, await run_example(name, mocked, tmp_path))


@pytest.mark.interop
@pytest.mark.parametrize(
    "name", ["grpcurl", "health-probe", "buf-curl", "descriptor-set", "node-stream"]
)
async def test_other_clients(name: str, mocked: str, tmp_path: Path) -> None:
    assert_said(name, await run_example(name, mocked, tmp_path))


@pytest.mark.interop
async def test_go_stubs(tmp_path: Path) -> None:
    for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
        program(plugin)
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    path = {"PATH": SEARCHED}
    ran = await run("bash", "-euc", examples()["go-stubs"].code, cwd=tmp_path, environment=path)

    assert_said("go-stubs", ran)
    assert {"llm.pb.go", "llm_grpc.pb.go"} == names_in(tmp_path / "gen/llmsvcv1")


@pytest.mark.interop
async def test_go(workshop: GoWorkshop, mocked: str) -> None:
    built = await workshop.build("go-stream", examples()["go-stream"].at(mocked))

    assert_said("go-stream", await run(built))
