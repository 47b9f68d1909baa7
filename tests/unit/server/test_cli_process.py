"""The program itself: its streams, its signals, and what it imports."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.architecture.command import ROOT, run
from tests.fakes.eventually import eventually

SERVER = Path(sys.executable).with_name("llmsvc-server")
PROGRAM = shlex.quote(str(SERVER))
HEAVY = ("grpc", "aiohttp", "pydantic", "structlog", "uvloop", "yaml")
EXTRA = (
    *("aiohttp", "google", "grpc", "grpc_reflection", "msgspec", "multidict", "pydantic"),
    *("pydantic_core", "structlog", "yaml", "yarl"),
)
NO_VARIABLES = {
    name: value
    for name, value in os.environ.items()
    if name == "PATH" or name.startswith("COVERAGE_")  # what a child has to know to be measured
}


def modules_after(*arguments: str) -> set[str]:
    """Return the heavy packages that a command has imported when it ends."""
    script = (
        "import contextlib, io, sys\n"
        "from llmsvc_server.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[1:], {})\n"
        f"print(*set(sys.modules) & set({HEAVY}))"
    )
    return set(run(sys.executable, "-c", script, *arguments).stdout.split())


def test_a_server_imports_nothing_that_only_the_client_needs() -> None:
    script = (
        "import sys\n"
        "import llmsvc_server.lifecycle\n"
        "print(sorted({'pydantic_settings', 'rich', 'typer'} & set(sys.modules)))\n"
        "import rich"  # whoever wants it has it
    )

    assert "[]\n" == run(sys.executable, "-c", script).stdout


def test_the_module_is_the_program_too() -> None:
    result = run(sys.executable, "-m", "llmsvc_server", "version", env=NO_VARIABLES)

    assert result.returncode == 0
    assert result.stdout.startswith("llmsvc-server ")


def test_without_any_package_it_names_the_extra(tmp_path: Path) -> None:
    about = tmp_path / "llmsvc-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: llmsvc\nVersion: 0.1\n")
    bare = {**NO_VARIABLES, "PYTHONPATH": f"{ROOT / 'server'}{os.pathsep}{tmp_path}"}
    result = run(sys.executable, "-S", "-m", "llmsvc_server", "serve", env=bare)

    assert (2, "", 1) == (result.returncode, result.stdout, result.stderr.count("\n"))
    assert "is missing: install the server's extra, pip install 'llmsvc[server]'" in result.stderr


@pytest.mark.parametrize("package", EXTRA)
def test_without_one_package_of_the_extra_it_names_both(package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from llmsvc_server.cli import main\n"
        "sys.exit(main(['serve', '--config', 'deploy/config/dev.yaml']))"
    )
    result = run(sys.executable, "-c", script, env=NO_VARIABLES)

    assert (2, "") == (result.returncode, result.stdout)
    assert (
        f"llmsvc-server: {package} is missing:"
        " install the server's extra, pip install 'llmsvc[server]'\n" == result.stderr
    )


def test_a_package_that_is_ours_ends_in_a_traceback() -> None:
    script = (
        "import sys; sys.modules['llmsvc_server.config.sources'] = None\n"
        "from llmsvc_server.cli import main\n"
        "main(['serve'])"
    )
    result = run(sys.executable, "-c", script, env=NO_VARIABLES)

    assert "Traceback" in result.stderr


@pytest.mark.parametrize("streams", [">&- 2>&-", "2>/dev/full"])
def test_streams_that_lead_nowhere_change_no_exit_code(streams: str) -> None:
    result = run(
        "sh", "-c", f"{PROGRAM} config check --config /nowhere {streams}", env=NO_VARIABLES
    )

    assert result.returncode == 2


async def test_ctrl_c_during_start_leaves_without_a_word(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = await asyncio.create_subprocess_exec(
        SERVER,
        *("serve", "--config", pipe),
        env=NO_VARIABLES,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ends: list[int] = []

    def server_reads() -> bool:
        if not ends:
            with contextlib.suppress(OSError):  # nobody has opened it yet
                ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        # A signal between its open and its read would be noticed after the read only.
        return bool(ends) and psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING

    await eventually(server_reads)
    process.send_signal(signal.SIGINT)
    said = await process.communicate()
    os.close(ends[0])

    assert process.returncode == 130
    assert said == (b"", b"")


def test_each_command_imports_what_it_needs_only() -> None:
    assert modules_after("version") == set()
    assert modules_after("config", "check") == {"pydantic", "yaml"}
