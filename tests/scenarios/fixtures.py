"""What a test of every protocol and call is run for; suites take these into their conftest."""

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
