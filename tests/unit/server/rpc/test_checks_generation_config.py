import math

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation, ViolationReason
from llmsvc_server.rpc.generation_checks import AT_LEAST_ONE, RANGES
from tests.unit.server.rpc.refusals import fields_refused, message, told

LEAST = math.ulp(0.0)
ABOVE_TWO = math.nextafter(2, 3)
ABOVE_ONE = math.nextafter(1, 2)


def request_with(**config: float) -> llm_pb2.ChatRequest:
    return llm_pb2.ChatRequest(
        messages=[message()],
        generation_config=llm_pb2.GenerationConfig(**config),  # type: ignore[arg-type]
    )


def stopping_at(*sequences: str) -> llm_pb2.ChatRequest:
    return llm_pb2.ChatRequest(
        messages=[message()],
        generation_config=llm_pb2.GenerationConfig(stop_sequences=sequences),
    )


@pytest.mark.parametrize(
    ("field", "accepted", "refused", "remedy"),
    [
        ("temperature", (0, -0.0, 2), (-LEAST, ABOVE_TWO), "use a number from 0 to 2"),
        ("top_p", (LEAST, 1), (0, -0.0, -1, ABOVE_ONE), "use a number above 0 to 1"),
        ("min_p", (0, 1), (-LEAST, ABOVE_ONE), "use a number from 0 to 1"),
        ("frequency_penalty", (-2, 0, 2), (-ABOVE_TWO, ABOVE_TWO), "use a number from -2 to 2"),
        ("presence_penalty", (-2, 0, 2), (-ABOVE_TWO, ABOVE_TWO), "use a number from -2 to 2"),
        ("repeat_penalty", (LEAST, 2), (0, -1, ABOVE_TWO), "use a number above 0 to 2"),
        (
            "seed",
            (0, 2**31 - 1),
            (-1, 2**31, 2**32 - 1, -(2**63), 2**63 - 1),
            "use a number from 0 to 2147483647",
        ),
        ("top_k", (1, 2**31 - 1), (0, -1, -(2**31)), "use at least 1"),
        ("max_output_tokens", (1, 2**31 - 1), (0, -1, -(2**31)), "use at least 1"),
    ],
)
def test_each_number_has_its_range(
    field: str, accepted: tuple[float, ...], refused: tuple[float, ...], remedy: str
) -> None:
    expected = [Violation(f"generation_config.{field}", ViolationReason.OUT_OF_RANGE, remedy)]

    assert [[]] * len(accepted) == [told(request_with(**{field: value})) for value in accepted]
    assert [expected] * len(refused) == [told(request_with(**{field: value})) for value in refused]


@pytest.mark.parametrize("field", [name for name in RANGES if name != "seed"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(field: str, value: float) -> None:
    assert [f"generation_config.{field}"] == fields_refused(request_with(**{field: value}))


def test_every_number_of_the_contract_has_a_range() -> None:
    numbers = {
        field.name
        for field in llm_pb2.GenerationConfig.DESCRIPTOR.fields
        if field.type != field.TYPE_STRING
    }

    assert numbers == {*RANGES, *AT_LEAST_ONE}


def test_an_empty_configuration_is_accepted() -> None:
    assert [] == told(request_with())


@pytest.mark.parametrize("sequences", [("x",), ("x" * 256,), ("\N{SNOWMAN}" * 85,), (*"abcd",)])
def test_up_to_four_stop_sequences_of_up_to_256_bytes_are_accepted(
    sequences: tuple[str, ...],
) -> None:
    assert [] == told(stopping_at(*sequences))


@pytest.mark.parametrize(
    ("sequences", "index", "reason", "remedy"),
    [
        (("",), "[0]", "MISSING", "send at least one byte"),
        (("a", "x" * 257), "[1]", "TOO_LONG", "use at most 256 bytes"),
        (("a", "b", "\N{SNOWMAN}" * 86), "[2]", "TOO_LONG", "use at most 256 bytes"),
        ((*"abcde",), "", "TOO_MANY", "send at most 4"),
    ],
)
def test_other_stop_sequences_are_refused(
    sequences: tuple[str, ...], index: str, reason: str, remedy: str
) -> None:
    field = f"generation_config.stop_sequences{index}"
    expected = [Violation(field, ViolationReason(reason), remedy)]

    assert expected == told(stopping_at(*sequences))
