"""The status in an error under 200."""

import math

import pytest

from llmsvc_server.providers.shared.statuses import status_in


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((429, 429), ("429", 429), (429.0, 429), (400, 400), (599, 599)),
        *((399, None), (600, None), (200, None), ("200", None), ("302", None), (0, None)),
        *((-429, None), (429.5, None), (math.inf, None), (math.nan, None), (10**400, None)),
        *((True, None), (None, None), ([429], None), ({"429": 1}, None)),
        *(("4290", None), (" 429", None), ("429\n", None), ("HTTP_429", None), ("٤٢٩", None)),
    ],
)
@pytest.mark.parametrize("key", ["code", "status", "status_code", "statusCode"])
def test_reads_a_status_of_a_failure(key: str, value: object, expected: int | None) -> None:
    assert expected == status_in({}, {key: value})


def test_takes_the_first_that_is_one() -> None:
    assert 503 == status_in({"code": "overloaded", "status": 503}, {"code": 429})
