"""What hostile tests measured is printed at the end, beside the bound that the test holds."""

import math
from collections.abc import Callable

import pytest

_FIGURES = pytest.StashKey[list[str]]()

Figures = Callable[[str, float, float, str], None]
"""Takes what was measured, the value, the bound that holds (infinity: none), and their unit."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no figures."""
    config.stash[_FIGURES] = []


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Return what notes a figure for the summary."""
    noted = request.config.stash[_FIGURES]

    def note(what: str, value: float, bound: float, unit: str) -> None:
        held = f" (bound {bound:,.1f})" if math.isfinite(bound) else ""
        noted.append(f"{what}: {value:,.1f} {unit}{held}")

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    noted = terminalreporter.config.stash[_FIGURES]
    if noted:
        terminalreporter.section("measured")
        for line in noted:
            terminalreporter.write_line(line)
