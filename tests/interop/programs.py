"""Programs that tests call: those of `make test-tools`, else those of the environment or on PATH."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools/bin"
SEARCHED = os.pathsep.join((str(TOOLS), str(Path(sys.executable).parent), os.environ["PATH"]))


def missing(what: str) -> NoReturn:
    """Skip the test that needs `what`; where the variable CI is set, fail it."""
    reason = f"{what} not there: `make test-tools` fetches what interop and live tests run"
    if os.environ.get("CI", "").lower() in {"", "0", "false"}:
        pytest.skip(reason)
    pytest.fail(reason, pytrace=False)


def program(name: str) -> Path:
    """Return where a program is."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        missing(f"the program {name} is")
    return Path(found)
