import os
import subprocess
import sys

from llmsvc_server.cli import GRPC_PRESETS

IMPORT_GRPC = "import grpc; grpc.insecure_channel('127.0.0.1:1').close()"


def said_by_grpc(experiments: str) -> str:
    """Return what gRPC's core says about a list of experiments."""
    environ = {**os.environ, "GRPC_VERBOSITY": "ERROR", "GRPC_EXPERIMENTS": experiments}
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", IMPORT_GRPC], env=environ, capture_output=True, text=True, check=True
    )
    return done.stderr


def test_this_grpcio_still_knows_the_experiments_that_are_switched_off() -> None:
    assert "Unknown experiment" not in said_by_grpc(GRPC_PRESETS["GRPC_EXPERIMENTS"])


def test_it_would_say_so_if_it_did_not() -> None:
    assert "Unknown experiment" in said_by_grpc("-no_such_thing")
