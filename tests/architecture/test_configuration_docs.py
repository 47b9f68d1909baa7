"""docs/configuration.md is what the settings say."""

import sys

from tests.architecture.command import run


def test_the_page_is_what_make_docs_writes() -> None:
    result = run(sys.executable, ".ci/configuration_docs.py", "--check")

    assert result.returncode == 0, result.stderr
