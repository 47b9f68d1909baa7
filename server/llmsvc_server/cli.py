"""The command `llmsvc-server`: argv and environment in, an exit code out.

Each command imports what it needs when it runs: start-up time counts, and so does the time in
which a Ctrl-C would meet an import instead of the handler below.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from llmsvc_server import __version__

if TYPE_CHECKING:
    import argparse

    from llmsvc_server.config.sources import Loaded

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  no public name

PROGRAM = "llmsvc-server"
VERSION = f"{PROGRAM} {__version__}"
EXIT_OK = 0
EXIT_NO_ROOM = 1
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130
MAX_PROBLEMS = 50

GRPC_PRESETS = {
    # Its core writes lines of its own about what we tell better.
    "GRPC_VERBOSITY": "NONE",
    # The older poller hands a byte on through fewer threads (docs/facts/hot-path.md 6). A test
    # fails when this grpcio no longer knows these names.
    "GRPC_EXPERIMENTS": "-event_engine_listener,-event_engine_client",
}
"""What gRPC reads from the environment when it is imported; what is set there already stays."""

Command = Callable[[str | None, Mapping[str, str]], int]


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line behind the program's name; None for this process's own.
        environ: Environment variables; None for this process's own.

    Returns:
        The exit code: 0 done or drained, 1 no room for the answer, 2 wrong configuration or a
        missing package, 3 cannot bind, 130 Ctrl-C. A defect ends in a traceback, which makes it 1;
        wrong usage in SystemExit(2), help and --version in SystemExit(0).
    """
    _open_standard_descriptors()
    try:
        options = _parser().parse_args(arguments)
        run: Command = options.run
        return run(options.config, os.environ if environ is None else environ)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package.startswith("llmsvc") or package in sys.stdlib_module_names:
            raise
        _complain(f"{package} is missing: install the server's extra, pip install 'llmsvc[server]'")
        return EXIT_CONFIGURATION


def _open_standard_descriptors() -> None:
    """Lead those of 0 to 2 that were closed nowhere: else the first sockets get their numbers.

    What is then written to standard error by number, as by a crash, would go to a peer.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  a descriptor, for good


def _parser() -> "argparse.ArgumentParser":
    import argparse  # noqa: PLC0415  see the module's docstring

    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="A gRPC service in front of language models.",
        epilog="Settings: docs/configuration.md.",
        allow_abbrev=False,
    )
    parser.set_defaults(config=None)
    parser.add_argument(
        "--version", action="version", version=VERSION, help="print the version and exit"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    config = commands.add_parser("config", help="check or show the configuration")
    views = config.add_subparsers(metavar="VIEW", required=True)

    def command(place: "Commands", name: str, run: Command, text: str) -> "argparse.ArgumentParser":
        added = place.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    serve = command(commands, "serve", _serve, "serve until SIGTERM or Ctrl-C")
    command(commands, "version", _version, "print the version")
    check = command(views, "check", _check, "say whether `serve` would start like this")
    check.add_argument(
        "--strict",
        dest="run",
        action="store_const",
        const=_check_strictly,
        help="take what `serve` would warn of for wrong, which ends with 2",
    )
    show = command(views, "show", _show, "print what is in force, and where it comes from")
    address = command(views, "address", _address, "print where this machine reaches the server")
    address.add_argument(
        "--health",
        dest="run",
        action="store_const",
        const=_health_address,
        help="print where it asks for health: at server.health_listen, if that is set",
    )
    command(views, "schema", _schema, "print the JSON Schema of a configuration file")
    for reading in (serve, check, show, address):
        reading.add_argument(
            "--config",
            metavar="FILE",
            help="YAML file; without it the one that LLMSVC_CONFIG names, else built-in defaults",
        )
    return parser


def _serve(config_path: str | None, environ: Mapping[str, str]) -> int:
    loaded = _load(config_path, environ)
    if loaded is None:
        return EXIT_CONFIGURATION
    import asyncio  # noqa: PLC0415  see the module's docstring

    for name, preset in GRPC_PRESETS.items():
        os.environ.setdefault(name, preset)
    from llmsvc_server.lifecycle import serve  # noqa: PLC0415  the same

    try:
        import uvloop  # noqa: PLC0415  not to be had on Windows
    except ImportError:
        return asyncio.run(serve(loaded))
    return uvloop.run(serve(loaded))


def _check(config_path: str | None, environ: Mapping[str, str], *, strict: bool = False) -> int:
    loaded = _load(config_path, environ)
    if loaded is None:
        return EXIT_CONFIGURATION
    from llmsvc_server.app.open_files import (  # noqa: PLC0415  see the module's docstring
        allow_open_files,
    )
    from llmsvc_server.config.cautions import count_files, find_warnings  # noqa: PLC0415  the same
    from llmsvc_server.config.show import summary  # noqa: PLC0415  the same

    open_files = allow_open_files(count_files(loaded.settings))
    cautions = [f"warning: {text}" for text in find_warnings(loaded, open_files=open_files)]
    if cautions:
        _complain(*cautions)
    if cautions and strict:
        return EXIT_CONFIGURATION
    return _answer(f"ok: {summary(loaded)}")


def _check_strictly(config_path: str | None, environ: Mapping[str, str]) -> int:
    return _check(config_path, environ, strict=True)


def _show(config_path: str | None, environ: Mapping[str, str]) -> int:
    loaded = _load(config_path, environ)
    if loaded is None:
        return EXIT_CONFIGURATION
    from llmsvc_server.config.show import show  # noqa: PLC0415  see the module's docstring

    return _answer(show(loaded))


def _address(
    config_path: str | None, environ: Mapping[str, str], *, of_health: bool = False
) -> int:
    loaded = _load(config_path, environ)
    if loaded is None:
        return EXIT_CONFIGURATION
    from llmsvc_server.config.addresses import probe_address  # noqa: PLC0415  see above

    server = loaded.settings.server
    return _answer(probe_address((of_health and server.health_listen) or server.listen))


def _health_address(config_path: str | None, environ: Mapping[str, str]) -> int:
    return _address(config_path, environ, of_health=True)


def _schema(_config_path: str | None, _environ: Mapping[str, str]) -> int:
    from llmsvc_server.config.show import schema  # noqa: PLC0415  see the module's docstring

    return _answer(schema())


def _version(_config_path: str | None, _environ: Mapping[str, str]) -> int:
    return _answer(VERSION)


def _load(config_path: str | None, environ: Mapping[str, str]) -> "Loaded | None":
    """Return the settings, or None after telling what is wrong with them."""
    from llmsvc_server.config.problems import ConfigInvalid  # noqa: PLC0415  see above
    from llmsvc_server.config.sources import load  # noqa: PLC0415  the same

    try:
        return load(config_path, environ)
    except ConfigInvalid as error:
        lines = [str(problem) for problem in error.problems]
        left_out = len(lines) - MAX_PROBLEMS
        if left_out > 0:
            lines[MAX_PROBLEMS:] = [f"{left_out} more problems"]
        _complain(*lines)
        return None


def _answer(text: str) -> int:
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        return EXIT_OK  # the reader has enough, as `head` does
    except OSError as error:
        _complain(f"can't write the answer: {error.strerror}")
        return EXIT_NO_ROOM
    return EXIT_OK


def _complain(*lines: str) -> None:
    with contextlib.suppress(OSError):  # nobody is left to be told
        _write(sys.stderr, "\n".join(f"{PROGRAM}: {line}" for line in lines))


def _write(stream: TextIO | None, text: str) -> None:
    """Write lines at once, in whatever characters the stream takes.

    Args:
        stream: None where whoever started us closed it.
        text: Without the last newline.

    Raises:
        OSError: The stream takes nothing; it leads nowhere from then on, so that the interpreter
            can flush it at exit.
    """
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
