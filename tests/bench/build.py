"""Builds the compiled parts: load client, fake upstream, and the relay to compare with."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_GO = Path(__file__).resolve().parent / "go"
_BIN = ROOT / ".tools" / "bin"
_PACKAGE = "bench/gen/llmsvcv1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the built programs are."""

    load: Path
    upstream: Path
    relay: Path


def build() -> Programs:
    """Return the programs, built anew where their sources or the contract changed.

    Raises:
        subprocess.CalledProcessError: A tool failed; it has said why on stderr.
        FileNotFoundError: There is no `go` on PATH.
    """
    programs = Programs(
        load=_BIN / "bench-load", upstream=_BIN / "bench-upstream", relay=_BIN / "bench-relay"
    )
    _run("go", "install", "tool", GOBIN=str(_BIN))  # the protoc plugins, pinned in go.mod
    _generate()
    _run("go", "build", "-o", str(programs.load), "./load")
    _run("go", "build", "-o", str(programs.upstream), "./upstream")
    _run("go", "build", "-o", str(programs.relay), "./relay")
    return programs


def _generate() -> None:
    """Write the Go stubs of the contract to an ignored folder."""
    options = []
    for plugin in ("go", "go-grpc"):
        options += [
            f"--{plugin}_out={_GO}",
            f"--{plugin}_opt=module=bench",
            f"--{plugin}_opt=Mllmsvc/v1/llm.proto={_PACKAGE}",
        ]
    protos = ROOT / "protos"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", *options]
    _run(*command, "llmsvc/v1/llm.proto", PATH=f"{_BIN}{os.pathsep}{os.environ['PATH']}")


def _run(*command: str, **environment: str) -> None:
    subprocess.run(command, cwd=_GO, env=os.environ | environment, check=True)  # noqa: S603 - our own words
