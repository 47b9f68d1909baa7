"""What README.md shows is what happens. `make run`, chat and health are run by .ci/readme-smoke.sh."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from llmsvc_server.config.sources import load
from tests.fakes.server_process import config_file, server_process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOCK_ALONE = {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}


def block(language: str, holding: str) -> str:
    """Return the README's block of code of a language that holds a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(next(code for code in blocks if holding in code))


async def run(*command: str | Path) -> tuple[int | None, str]:
    """Return a command's exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, cwd=ROOT)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_python_example_prints_the_answer_and_who_gave_it(tmp_path: Path) -> None:
    async with server_process(config_file(tmp_path, {"llm": MOCK_ALONE})) as server:
        code = block("python", "BlockingClient").replace("localhost:50051", server.address)
        exit_code, said = await run(sys.executable, "-c", code)

    assert 0 == exit_code
    assert said.endswith(" mock\n")


def test_the_configuration_example_loads_and_leaves_out_who_has_no_key(tmp_path: Path) -> None:
    file = tmp_path / "llmsvc.yaml"
    file.write_text(block("yaml", "base_url"), encoding="utf-8")
    llm = load(str(file), {}).settings.llm

    assert {"ollama": "phi3:mini"} == {name: one.model for name, one in llm.candidates.items()}
    assert ["openai"] == list(llm.inactive)


async def test_the_configuration_commands_work() -> None:
    commands = block("sh", "config check").splitlines()
    for command in commands[:2]:  # the third one serves
        exit_code, said = await run(*command.split())

        assert 0 == exit_code, said
    assert "llmsvc-server serve" in commands[2]


async def test_the_examples_with_tools_and_shapes_print_json(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("llmsvc")
    code = block("sh", "--tool").replace(".venv/bin/llmsvc", str(program))
    async with server_process(config_file(tmp_path, {"llm": MOCK_ALONE})) as server:
        environment = {**os.environ, "LLMSVC_CLIENT_ADDRESS": server.address}
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-c", code), stdout=PIPE, cwd=tmp_path, env=environment
        )
        printed, _ = await shell.communicate()
    call, person = map(json.loads, printed.splitlines())

    assert 0 == shell.returncode
    assert "weather" == call["name"]
    assert {"age": 0} == person


async def test_a_kind_that_does_not_exist_ends_the_start_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "llmsvc.yaml"
    text = block("yaml", "base_url").replace("default_provider: openai", "default_provider: azure")
    file.write_text(text, encoding="utf-8")
    program = Path(sys.executable).with_name("llmsvc-server")
    exit_code, said = await run(program, "serve", "--config", file)

    assert 2 == exit_code
    assert "kinds: anthropic, mock, ollama, openai" in said
