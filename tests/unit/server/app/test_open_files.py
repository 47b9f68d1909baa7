"""The limit belongs to a process: each test has one of its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from llmsvc_server.app.open_files import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(allow_open_files({wanted}), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed"),
    [(100, 300, 200, 200), (100, 300, 400, 300), (200, 300, 150, 200), (300, 300, 300, 300)],
)
def test_the_limit_is_raised_as_far_as_is_wanted_and_allowed(
    soft: int, hard: int, wanted: int, allowed: int
) -> None:
    script = SCRIPT.format(soft=soft, hard=hard, wanted=wanted)
    done = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-c", script], capture_output=True, check=True
    )

    assert [allowed, allowed, hard] == [int(word) for word in done.stdout.split()]
