"""Which protocols, ways and set-ups every scenario runs for."""

import pytest

from tests.scenarios.fixtures import note_cells, protocol, way
from tests.scenarios.privacy import LOCAL_ONLY
from tests.scenarios.protocols import Protocol

__all__ = ["protocol", "way"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note where each stands; where nothing may leave the network, leave out what needs a cloud."""
    note_cells(items)
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
