"""Which protocols and ways the invariants are checked for."""

from tests.scenarios.fixtures import protocol, way

__all__ = ["protocol", "way"]
