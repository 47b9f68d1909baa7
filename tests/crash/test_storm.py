import json
from typing import Any

import pytest

from tests.crash.scripts import Ended, run

CALLS = 5000
MOST_GROWTH_BYTES = 20_000_000
"""From the second round to the fifth, 3,000 calls: some 7 kB for each, in the server alone.
An attempt that stays behind costs more; what grpcio loses, 55 to 320 bytes (grpc/grpc#43360), not."""


@pytest.fixture(scope="module")
async def ended() -> Ended:
    """Storm once for all tests of this module."""
    return await run("storm", str(CALLS), "1")


@pytest.fixture(scope="module")
def left(ended: Ended) -> dict[str, Any]:
    """What the storm said was left."""
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_thousands_of_cancels_end_neither_the_process_nor_its_silence(ended: Ended) -> None:
    assert (0, []) == (ended.exit_code, ended.noise)


def test_they_leave_no_call_no_slot_and_no_attempt(left: dict[str, Any]) -> None:
    assert (0, 0, 0) == (left["in_flight"], left["running"], left["inside"])


def test_each_call_that_arrived_was_reported_once(left: dict[str, Any]) -> None:
    assert left["starts"] == sum(left["reported"].values())
    assert {"OK", "CANCELLED"} >= left["reported"].keys()


def test_they_were_cancelled_at_all_points(left: dict[str, Any]) -> None:
    assert CALLS == sum(left["ended"].values())
    assert left["ended"]["CANCELLED"] > CALLS / 2
    assert left["reported"]["CANCELLED"] > 500
    assert left["starts"] < CALLS


def test_they_cost_no_memory_that_lasts(left: dict[str, Any]) -> None:
    _, second, *_, fifth = left["resident_bytes"]

    assert fifth - second < MOST_GROWTH_BYTES
