"""The entry of `llmsvc`: nothing heavy is imported before Ctrl-C is taken care of."""

import os
import signal
import sys
from typing import Final

_USAGE: Final = 2


def main() -> int:
    """Run `llmsvc` with the process's arguments.

    Returns:
        The exit code, where the command line does not exit by itself.
    """
    open_standard_descriptors()
    die_of_ctrl_c()
    # gRPC writes log lines of its own to standard error, such as one for each lost connection.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return _run(sys.argv[1:])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package.startswith("llmsvc") or package in sys.stdlib_module_names:
            raise
        sys.stderr.write(
            f"llmsvc: {package} is missing: install the commands' extra, pip install 'llmsvc[cli]'\n"
        )
        return _USAGE


def _run(arguments: list[str]) -> int:
    match arguments:
        case ["health"] | ["health", _] if not arguments[-1].startswith("-"):
            # What probes call every few seconds: 170 ms of CPU time instead of 300 without typer.
            from llmsvc_client.cli.probe import run_health  # noqa: PLC0415  see above

            return run_health(*arguments[1:])
        case _:
            from llmsvc_client.cli.app import app  # noqa: PLC0415  slow, and typer is an extra

            app(prog_name="llmsvc")
            return 0


def open_standard_descriptors() -> None:
    """Lead those of 0 to 2 that were closed nowhere: else the first sockets get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  a descriptor, for good


def die_of_ctrl_c() -> None:
    """Let Ctrl-C end the process at once and without a traceback: no call runs.

    A signal that the parent process chose to ignore, as `nohup` does, stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
