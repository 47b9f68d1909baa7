"""Which protocols, ways and set-ups every scenario runs for."""

import pytest

from tests.scenarios.fixtures import protocol, way
from tests.scenarios.privacy import LOCAL_ONLY
from tests.scenarios.protocols import Protocol

__all__ = ["protocol", "way"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, where nothing may leave the network, what needs a cloud."""
    if LOCAL_ONLY:
        items[:] = [item for item in items if _stays_inside(item)]


def _stays_inside(item: pytest.Item) -> bool:
    given = item.callspec.params if isinstance(item, pytest.Function) else {}
    is_alone = bool(given.get("alone", "alone" in item.name))
    return is_alone and given.get("protocol") not in {None, Protocol.ANTHROPIC}


@pytest.fixture(params=[False, True], ids=["with fallback", "alone"])
def alone(request: pytest.FixtureRequest) -> bool:
    """Whether the primary has nobody behind it."""
    value: bool = request.param
    return value
