"""What hostile tests measured is printed at the end, beside the bound that the test holds."""

import math
from collections.abc import Callable, Iterator

import pytest

_FIGURE = "figure"

Figures = Callable[[str, float, float, str], None]
"""Takes what was measured, the value, the bound that holds (infinity: none), and their unit."""


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Return what notes a figure for the summary, from whichever process the test runs in."""

    def note(what: str, value: float, bound: float, unit: str) -> None:
        held = f" (bound {bound:,.1f})" if math.isfinite(bound) else ""
        record_property(_FIGURE, f"{what}: {value:,.1f} {unit}{held}")

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    noted = list(_noted(terminalreporter))
    if noted:
        terminalreporter.section("measured")
        for line in noted:
            terminalreporter.write_line(line)


def _noted(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                yield from (str(text) for name, text in report.user_properties if name == _FIGURE)
