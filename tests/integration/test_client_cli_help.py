"""What `llmsvc` says of itself: help, version, completion."""

import asyncio
import subprocess

import pytest

from tests.fakes.llmsvc_command import begun, ended, run

COMMANDS = ("chat", "health", "version")


@pytest.mark.parametrize("command", ["", *COMMANDS])
async def test_help_fits_a_terminal_and_is_not_cut(command: str) -> None:
    narrow = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    arguments = [*command.split(), "--help"]
    result = await ended(await begun(*arguments, address="localhost:1", environment=narrow))

    assert (0, "") == (result.code, result.err)
    assert [] == [line for line in result.out.splitlines() if len(line) > 80]
    assert "..." not in result.out.replace("[ARGS]...", "")


@pytest.mark.parametrize("form", ["version", "--version"])
async def test_says_its_version(form: str) -> None:
    result = await run(form, address="")

    assert (0, "") == (result.code, result.err)
    assert result.out.startswith("llmsvc 0.")


@pytest.mark.parametrize(
    ("shell", "typed"),
    [
        ("bash", {"COMP_WORDS": "llmsvc chat --te", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "llmsvc chat --te"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "llmsvc chat --te",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
async def test_completes_what_a_shell_asks(shell: str, typed: dict[str, str]) -> None:
    asked = {"_LLMSVC_COMPLETE": f"complete_{shell}", **typed}
    result = await ended(await begun(address="", environment=asked))

    assert "--temperature" in result.out
    assert "--target" not in result.out


async def test_bash_takes_its_completion() -> None:
    """A shell that read the script completes the name of a command."""
    # --show-completion prints the same, but looks for the shell among the processes above it.
    process = await begun(address="", environment={"_LLMSVC_COMPLETE": "source_bash"})
    script = (await ended(process)).out
    read = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{script}\ncomplete -p llmsvc"), stdout=subprocess.PIPE
    )
    out, _ = await read.communicate()

    assert b"_llmsvc_completion llmsvc" in out
