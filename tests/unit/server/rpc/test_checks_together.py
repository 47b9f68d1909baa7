import sys
import types
from collections.abc import Callable
from functools import partial

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.request import Delivery
from llmsvc_server.rpc.parsing import parse_request
from tests.fakes.tool_requests import asked, called, resulted
from tests.unit.server.rpc.refusals import (
    ASSISTANT,
    SYSTEM,
    USER,
    fields_refused,
    message,
    of,
    told,
)


def calls_made(work: Callable[[], object]) -> int:
    """Return how many functions `work` called, those of C included; a clock would depend on luck."""
    calls = 0

    def count(_frame: types.FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def test_all_violations_are_told_in_the_order_of_the_fields() -> None:
    declined = llm_pb2.Message(role=ASSISTANT, parts=[llm_pb2.ContentPart()])
    request = llm_pb2.ChatRequest(
        model="m" * 300,
        messages=[message(0), message(SYSTEM), declined],
        generation_config=llm_pb2.GenerationConfig(temperature=3, top_k=0, stop_sequences=[""]),
    )
    request.MergeFromString(b"\x48\x09\x22\x00\x3a\x00")  # fields 9, 4 and 7
    expected = [
        "model",
        "messages[0].role",
        "messages[1].role",
        "messages[2].parts[0]",
        "messages[2].role",
        "generation_config.temperature",
        "generation_config.top_k",
        "generation_config.stop_sequences[0]",
        "tools[0]",
        "unsupported_feature_action",
        "thinking_config",
    ]

    assert expected == fields_refused(request)


def test_at_most_sixteen_are_told_the_first_ones() -> None:
    request = of(*[message(0)] * 40, message())

    assert [f"messages[{index}].role" for index in range(16)] == fields_refused(request)


def test_no_violation_quotes_what_was_sent() -> None:
    request = llm_pb2.ChatRequest(
        model="secret" * 50,
        messages=[message(9, "secret"), message(USER, *["secret"] * 258), message(ASSISTANT)],
        generation_config=llm_pb2.GenerationConfig(stop_sequences=["secret" * 50], top_p=77),
    )
    request.MergeFromString(b"\x3a\x06secret")
    words = " ".join(f"{one.field} {one.description}" for one in told(request))

    assert "secret" not in words
    assert "77" not in words


def test_the_work_grows_with_the_messages_and_no_faster() -> None:
    few, many = (
        calls_made(
            partial(
                parse_request,
                of(*[message(USER, "x" * 100)] * length).SerializeToString(),
                Delivery.WHOLE,
                "",
            )
        )
        for length in (100, 1000)
    )

    assert many < 11 * few


def rounds(count: int) -> llm_pb2.ChatRequest:
    """Return a request with many rounds of two calls each."""
    both = called("1")
    both.parts.extend(called("2").parts)
    return asked(*[both, resulted("1", "x" * 200), resulted("2", "x" * 200)] * count)


def test_so_it_does_with_tools_and_their_calls() -> None:
    few, many = (
        calls_made(partial(parse_request, rounds(count).SerializeToString(), Delivery.WHOLE, ""))
        for count in (30, 300)
    )

    assert many < 11 * few


@pytest.mark.parametrize(
    "request_",
    [
        asked(tools=100_000),
        asked(*[resulted()] * 100_000),
        llm_pb2.ChatRequest(
            messages=[message()],
            tool_choice=llm_pb2.ToolChoice(allowed_function_names=["x"] * 100_000),
        ),
        of(message(USER, *["x"] * 100_000)),
        of(*[message()] * 100_000),
        llm_pb2.ChatRequest(
            messages=[message()],
            generation_config=llm_pb2.GenerationConfig(stop_sequences=["x"] * 100_000),
        ),
    ],
    ids=["tools", "results", "allowed names", "parts", "messages", "stop sequences"],
)
def test_what_is_far_too_many_is_not_looked_at_one_by_one(request_: llm_pb2.ChatRequest) -> None:
    assert calls_made(partial(fields_refused, request_)) < 15_000  # for the thousand that may be
