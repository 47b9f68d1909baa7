"""What a test of every protocol and call is run for; suites take these into their conftest."""

import re

import pytest

from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Way


@pytest.fixture(params=list(Protocol), ids=str)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Whose wire the primary speaks."""
    value: Protocol = request.param
    return value


@pytest.fixture(params=list(Way), ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """Which call is made."""
    value: Way = request.param
    return value


CELL = "cell"
"""The property of a scenario's reports that says where on the scorecard it stands."""


def note_cells(items: list[pytest.Item]) -> None:
    """Let the reports of scenarios say their fault's number, call and protocol."""
    for item in items:
        number = re.match(r"test_s(\d\d)_", item.name)
        if number is not None and isinstance(item, pytest.Function):
            given = item.callspec.params
            cell = int(number[1]), str(given["way"]), str(given["protocol"])
            item.user_properties.append((CELL, cell))
