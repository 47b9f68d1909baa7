"""What it costs to check an answer against a schema."""

import json
import time
from collections.abc import Callable
from statistics import median

from llmsvc_server.chat.features import Features, ResponseFormat
from llmsvc_server.chat.output_check import OutputCheck
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.schemas.check import check_answer
from llmsvc_server.schemas.request_check import find_problem
from tests.bench.lab import Lab
from tests.bench.row import Demand, Judged, Row

_ROUNDS = 5
_TIMES = 50
_US = 1e6
_KB = 4000
_PARTS = 24  # of the schema, and of what is checked against it


def schemas(lab: Lab) -> list[Row]:
    """Return the rows of a check of 4 kB against 4 kB, and of a schema that nobody sent before.

    In this process, one after the other, without a server: an answer is checked once, when all of
    it is there. The check has a schema that was seen before and an answer that conforms; the other
    row is what a request waits for before anybody is asked.
    """
    del lab  # no program of it is needed
    schema, answer = _schema(0), _answer()
    features = Features(response_format=ResponseFormat(json_schema=schema))
    numbers = iter(range(1, _ROUNDS * _TIMES + 1))
    unseen = [_schema(number) for number in numbers]
    is_wrong = find_problem(schema) is not None or any(
        check.violations for check in _check(features, answer)
    )
    return [
        Row(
            measure="check of a 4 kB answer against a 4 kB schema",
            unit="us",
            ours=_rounds(lambda _: _check(features, answer)),
            judged=Judged.VALUE,
            demand=Demand(100),
            failure="the answer does not conform" if is_wrong else "",
        ),
        Row(
            measure="a 4 kB schema that nobody sent before",
            unit="us",
            ours=_rounds(lambda number: find_problem(unseen[number])),
            judged=Judged.VALUE,
            demand=Demand(1000),
        ),
    ]


def _check(features: Features, answer: str) -> tuple[OutputCheck, ...]:
    return check_answer(features, (answer,), FinishReason.STOP)


def _rounds(work: Callable[[int], object]) -> tuple[float, ...]:
    """Return the median of microseconds of each round."""
    return tuple(
        median(_timed_us(work, number) for number in range(first, first + _TIMES))
        for first in range(0, _ROUNDS * _TIMES, _TIMES)
    )


def _timed_us(work: Callable[[int], object], number: int) -> float:
    begun_s = time.perf_counter()
    work(number)
    return (time.perf_counter() - begun_s) * _US


def _schema(number: int) -> str:
    """Return a schema of 4 kB, another one for each number."""
    part = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "size": {"type": "integer", "minimum": 0},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        },
        "required": ["name", "size"],
        "additionalProperties": False,
    }
    named = {f"part_{one}": part for one in range(_PARTS * 2 // 3)}
    schema = {"type": "object", "title": str(number), "properties": named}
    return json.dumps(schema, separators=(",", ":"))


def _answer() -> str:
    """Return a text of 4 kB that conforms."""
    part = {"name": "x" * 190, "size": 1, "tags": ["a", "b", "a"]}
    return json.dumps({f"part_{one}": part for one in range(_PARTS * 2 // 3)})
