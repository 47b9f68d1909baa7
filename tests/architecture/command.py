"""Running a program to its end, as a person at the project's root would."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return the finished process: exit code, and what it printed as text.

    Args:
        command: The program, from PATH or by path, and its arguments.
        cwd: Folder to run in.
        env: The whole environment; None inherits this process's.
    """
    return subprocess.run(  # noqa: S603  tests choose what runs, no input from outside
        command, cwd=cwd, env=env, check=False, capture_output=True, text=True
    )
