"""Requests that take memory before anybody can refuse them, all at once, in a pod of our own."""

from pathlib import Path

import grpc
import pytest

from llmsvc_server.config.memory import memory_of
from llmsvc_server.config.settings import Settings
from tests.hostile.conftest import Figures
from tests.hostile.probe import probing
from tests.hostile.worst_mix import BOMB, EMPTY, MIB, end_of, mix, pod

MOST_BYTES = memory_of(Settings()).total_bytes
MOST_DELAY_S = 0.4
TRIES = 5
"""A stall comes every time, a neighbour of this machine does not."""


@pytest.mark.alone
async def test_all_of_it_at_once_leaves_a_pod_alive_and_everybody_a_status(
    tmp_path: Path, figures: Figures
) -> None:
    ended = await mix(tmp_path)
    compressed = ended.ends.pop("compressed")

    figures("worst mix, peak", ended.peak_bytes / MIB, MOST_BYTES / MIB, "MiB")
    assert ended.is_alive
    assert ended.peak_bytes <= MOST_BYTES
    assert {"UNIMPLEMENTED": 8} == compressed
    assert all(
        {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"} >= set(end) for end in ended.ends.values()
    )
    assert {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"} >= set(ended.held)
    assert {grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]} >= ended.given_up


@pytest.mark.alone
async def test_lists_of_nothing_cost_what_they_are_long_and_hold_nobody_up(
    tmp_path: Path, figures: Figures
) -> None:
    async with pod(tmp_path, 512 * MIB) as server:
        assert "INVALID_ARGUMENT" == await end_of(server.address, EMPTY["parts"])
        server.memory.forget_peak()
        before_bytes = server.memory.resident_bytes
        ends: list[str] = []
        worst_s: list[float] = []
        while not worst_s or (min(worst_s) > MOST_DELAY_S and len(worst_s) < TRIES):
            async with probing(server.address) as delays:
                ends += [await end_of(server.address, raw) for raw in EMPTY.values()]
            worst_s.append(delays.worst_s)
        bomb = await end_of(server.address, BOMB, compressed=True)
        grown_bytes = server.memory.peak_bytes - before_bytes

    figures("lists of nothing, growth", grown_bytes / MIB, 48, "MiB")
    bound_ms = MOST_DELAY_S * 1000
    figures("lists of nothing, slowest health check", min(worst_s) * 1000, bound_ms, "ms")
    assert {"INVALID_ARGUMENT"} == set(ends)
    assert "UNIMPLEMENTED" == bomb
    assert grown_bytes <= 48 * MIB
    assert min(worst_s) <= MOST_DELAY_S
