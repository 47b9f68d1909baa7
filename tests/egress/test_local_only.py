"""Under `local_only` nothing leaves: the scenarios hold where there is no way out at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.egress.alone import NO_NAMESPACES

ROOT = Path(__file__).parents[2]
TRIES_TO_LEAVE = (
    "import socket; s = socket.socket(); s.settimeout(1); print(s.connect_ex(('192.0.2.1', 443)))"
)


def alone(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with `command` without a network; skip where the kernel does not allow it."""
    done = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-m", "tests.egress.alone", sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"SCENARIOS_LOCAL_ONLY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == NO_NAMESPACES and "CI" not in os.environ:
        pytest.skip("the kernel allows no network namespace here")
    return done


def test_there_is_no_way_out() -> None:
    done = alone("-c", TRIES_TO_LEAVE)

    assert 0 == done.returncode, done.stdout
    assert "0" != done.stdout.strip()


def test_every_scenario_holds_without_a_way_out() -> None:
    together = "--numprocesses=2", "--dist=worksteal"
    done = alone("-m", "pytest", "--quiet", "-p", "no:cacheprovider", *together, "tests/scenarios")

    assert 0 == done.returncode, done.stdout[-4000:]
    assert " passed" in done.stdout
