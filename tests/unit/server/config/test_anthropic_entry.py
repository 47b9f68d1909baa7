"""An entry of kind anthropic."""

from pathlib import Path

import pytest

from tests.unit.server.config.entries import anthropic, refusals


def test_limits_on_silence_are_those_of_a_cloud(tmp_path: Path) -> None:
    entry = anthropic(tmp_path)

    assert entry.connect_timeout_s == 5
    assert entry.first_token_timeout_s == 12
    assert entry.idle_timeout_s == 30
    assert entry.cold_timeout_s == 12
    assert entry.max_in_flight == 64


def test_timeout_replaces_the_limits_on_silence(tmp_path: Path) -> None:
    entry = anthropic(tmp_path, timeout=7, idle_timeout_s=9)

    assert entry.first_token_timeout_s == 7
    assert entry.idle_timeout_s == 9
    assert entry.cold_timeout_s == 7


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/v1/messages"])
def test_a_version_at_the_end_of_the_address_is_refused(tmp_path: Path, end: str) -> None:
    (line,) = refusals(tmp_path, "anthropic", base_url=f"https://api.anthropic.com{end}")

    assert line.endswith("the server adds the path itself; write https://api.anthropic.com")


def test_the_vendors_temperatures_end_at_one(tmp_path: Path) -> None:
    assert anthropic(tmp_path, temperature=1).temperature == 1
    assert ["temperature: out of range; allowed: a number from 0 to 1 or null"] == refusals(
        tmp_path, "anthropic", temperature=1.5
    )
