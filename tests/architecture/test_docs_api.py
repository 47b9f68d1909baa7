"""docs/api.md is what the contract says."""

import sys

from tests.architecture.command import run


def test_the_page_is_what_make_docs_writes() -> None:
    result = run(sys.executable, ".ci/api_docs.py", "--check")

    assert result.returncode == 0, result.stderr
