from collections.abc import Iterable, Mapping
from enum import StrEnum

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import Done, Timings
from llmsvc_server.chat.parts import Refusal
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind, Route
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.rpc.callinfo import ServerTimings
from llmsvc_server.rpc.to_proto import (
    ACTIONS,
    FINISH_REASONS,
    LOCALITIES,
    PRIVACY_MODES,
    PROVIDER_KINDS,
    fill_durations,
    fill_route,
    fill_usage,
    response_to_proto,
)
from tests.fakes.scripted_provider import LOCAL_OLLAMA, done
from tests.unit.server.rpc.failures import (
    FAILED,
    LONG_MODEL,
    LONG_NAME,
    SKIPPED,
    attempt,
    trail_of,
)

ANSWERED = attempt(provider=LOCAL_OLLAMA, model="phi3:mini", elapsed_s=0.25)
TRAIL = trail_of(SKIPPED, ANSWERED, requested_model="phi3")
ROUTE = Route(provider=LOCAL_OLLAMA, model="phi3:mini", trail=TRAIL)
CLOCKED = ServerTimings(total_s=2.5, first_content_s=0.5)
MOST = 2**31 - 1


def usage_of(input_tokens: int | None, output_tokens: int | None) -> llm_pb2.Usage:
    usage = llm_pb2.Usage()
    fill_usage(usage, Usage(input_tokens=input_tokens, output_tokens=output_tokens))
    return usage


def whole(end: Done, text: str | None) -> llm_pb2.ChatResponse:
    return response_to_proto(end, ROUTE, "req-1", None if text is None else (text,), CLOCKED)


def test_an_answer_becomes_a_message_with_everything_in_its_place() -> None:
    end = Done(
        finish_reason=FinishReason.STOP_SEQUENCE,
        provider_finish_reason="stop",
        stop_sequence="###",
        provider_response_id="chatcmpl-1",
        usage=Usage(
            input_tokens=12, output_tokens=30, cached_input_tokens=8, cache_write_input_tokens=0
        ),
        timings=Timings(queue_s=0.25, load_s=1, prompt_s=0.5, generation_s=0.75),
        adjustments=(
            Adjustment(field="generation_config.seed", action=Action.IGNORED, description="No."),
        ),
    )
    reported = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    expected = llm_pb2.ChatResponse(
        request_id="req-1",
        message=llm_pb2.Message(
            role=llm_pb2.ROLE_ASSISTANT, parts=[llm_pb2.ContentPart(text="hello")]
        ),
        finish_reason=llm_pb2.FINISH_REASON_STOP_SEQUENCE,
        stop_sequence="###",
        usage=llm_pb2.Usage(
            input_tokens=12,
            output_tokens=30,
            total_tokens=42,
            cached_input_tokens=8,
            cache_write_input_tokens=0,
            input_method=reported,
            output_method=reported,
        ),
        route=llm_pb2.RouteInfo(
            provider="ollama",
            provider_kind=llm_pb2.PROVIDER_KIND_OLLAMA,
            model="phi3:mini",
            requested_model="phi3",
            locality=llm_pb2.LOCALITY_LOCAL,
            effective_privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
            attempts=[
                llm_pb2.RouteAttempt(
                    target=llm_pb2.RouteTarget(provider=LONG_NAME, model=LONG_MODEL),
                    locality=llm_pb2.LOCALITY_LOCAL,
                    status_code=14,
                    reason=llm_pb2.ERROR_REASON_BREAKER_OPEN,
                ),
                llm_pb2.RouteAttempt(
                    target=llm_pb2.RouteTarget(provider="ollama", model="phi3:mini"),
                    locality=llm_pb2.LOCALITY_LOCAL,
                    elapsed_duration=Duration(nanos=250_000_000),
                    content_sent=True,
                ),
            ],
        ),
        timings=llm_pb2.Timings(
            total_duration=Duration(seconds=2, nanos=500_000_000),
            queue_duration=Duration(nanos=250_000_000),
            first_token_duration=Duration(nanos=500_000_000),
            model_load_duration=Duration(seconds=1),
            prompt_duration=Duration(nanos=500_000_000),
            generation_duration=Duration(nanos=750_000_000),
        ),
        adjustments=[
            llm_pb2.Adjustment(
                field="generation_config.seed",
                action=llm_pb2.Adjustment.ACTION_IGNORED,
                description="No.",
            )
        ],
        provider_finish_reason="stop",
        provider_response_id="chatcmpl-1",
    )

    assert expected == whole(end, "hello")


def test_an_empty_answer_is_a_message_without_parts() -> None:
    response = response_to_proto(done(), ROUTE, "req-1", (), CLOCKED)

    assert llm_pb2.Message(role=llm_pb2.ROLE_ASSISTANT) == response.message


def test_a_refusal_is_a_part_of_its_own() -> None:
    response = response_to_proto(done(), ROUTE, "req-1", ("a", Refusal(text="b")), CLOCKED)

    assert [llm_pb2.ContentPart(text="a"), llm_pb2.ContentPart(refusal="b")] == list(
        response.message.parts
    )


def test_an_answer_of_which_nothing_is_known_still_has_all_its_parts() -> None:
    end = Done(finish_reason=FinishReason.STOP, usage=Usage())
    response = whole(end, None)

    assert not response.usage.ListFields()
    assert {"usage", "route", "timings"} <= {field.name for field, _ in response.ListFields()}


def test_no_text_leaves_the_message_unset() -> None:
    assert not whole(done(), None).HasField("message")


@pytest.mark.parametrize(
    ("counts", "known"),
    [
        ((None, None), set()),
        ((0, None), {"input_tokens"}),
        ((None, 0), {"output_tokens"}),
        ((0, 0), {"input_tokens", "output_tokens", "total_tokens"}),
        ((MOST, 0), {"input_tokens", "output_tokens", "total_tokens"}),
        ((MOST, 1), {"input_tokens", "output_tokens"}),
        ((MOST + 1, 5), {"output_tokens"}),
        ((-1, 5), {"output_tokens"}),
        ((5, 2**80), {"input_tokens"}),
    ],
)
def test_counts_that_are_unknown_or_nonsense_stay_unset(
    counts: tuple[int | None, int | None], known: set[str]
) -> None:
    usage = usage_of(*counts)
    told = {field.name for field, _ in usage.ListFields()}

    assert known == {name for name in told if name.endswith("_tokens")}
    assert {name.replace("tokens", "method") for name in known - {"total_tokens"}} == {
        name for name in told if name.endswith("_method")
    }


def test_an_estimate_says_so() -> None:
    usage = llm_pb2.Usage()
    fill_usage(usage, Usage(output_tokens=7, output_estimated=True))
    expected = llm_pb2.Usage(output_tokens=7, output_method=llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED)

    assert expected == usage


def test_nobody_answers_in_what_was_only_tried() -> None:
    info = llm_pb2.RouteInfo()
    fill_route(info, trail_of(FAILED, requested_model="phi3"), None)

    assert ("", "", 0) == (info.provider, info.model, info.provider_kind)
    assert ("phi3", llm_pb2.PRIVACY_MODE_LOCAL_ONLY) == (
        info.requested_model,
        info.effective_privacy_mode,
    )
    assert [(14, llm_pb2.ERROR_REASON_PROVIDER_ERROR, True)] == [
        (one.status_code, one.reason, one.content_sent) for one in info.attempts
    ]


@pytest.mark.parametrize("length_s", [None, -0.1, float("nan"), float("inf"), 1e300, -1e300])
def test_what_is_no_length_of_time_stays_unset(length_s: float | None) -> None:
    end = done()
    end.timings.load_s = length_s

    assert not whole(end, None).timings.HasField("model_load_duration")


@pytest.mark.parametrize("length_s", [0.0, 1e-9, 1.999_999_999_9, 1e9])
def test_the_ends_of_a_second_are_told(length_s: float) -> None:
    timings = llm_pb2.Timings()
    fill_durations((timings.total_duration, length_s))
    told = timings.total_duration

    assert timings.HasField("total_duration")
    assert 0 <= told.nanos < 1_000_000_000
    assert abs(told.ToNanoseconds() - length_s * 1e9) <= 500


def test_a_mock_says_what_it_is() -> None:
    mock = ProviderInfo(name="demo", kind=ProviderKind.MOCK, locality=Locality.LOCAL)
    route = llm_pb2.RouteInfo()
    fill_route(route, TRAIL, Route(provider=mock, model="mock", trail=TRAIL))

    assert llm_pb2.PROVIDER_KIND_MOCK == route.provider_kind


@pytest.mark.parametrize(
    ("table", "values", "numbers"),
    [
        (FINISH_REASONS, FinishReason, llm_pb2.FinishReason.values()),
        (PROVIDER_KINDS, ProviderKind, llm_pb2.ProviderKind.values()),
        (PRIVACY_MODES, Privacy, llm_pb2.PrivacyMode.values()),
        (LOCALITIES, Locality, llm_pb2.Locality.values()),
        (ACTIONS, Action, llm_pb2.Adjustment.Action.values()),
    ],
)
def test_every_value_has_its_own_number_and_every_number_a_value(
    table: Mapping[StrEnum, int], values: Iterable[StrEnum], numbers: Iterable[int]
) -> None:
    assert set(table) == set(values)
    assert set(table.values()) == set(numbers) - {0}


def told_of(length_s: float) -> Duration:
    told = Duration()
    fill_durations((told, length_s))
    return told


@given(st.floats(min_value=0, max_value=1e9))
def test_a_length_is_told_to_the_microsecond_and_no_further(length_s: float) -> None:
    told = told_of(length_s)

    assert 0 == told.nanos % 1000
    assert abs(told.seconds + told.nanos / 1e9 - length_s) < 1e-6


@given(st.integers(0, 10_000_000), st.floats(min_value=0, max_value=1e6))
def test_a_difference_of_two_readings_of_a_clock_has_no_artefacts(
    took_ms: int, began_s: float
) -> None:
    began_ms = round(began_s * 1000)
    told = told_of((began_ms + took_ms) / 1000 - began_ms / 1000)

    assert f"{took_ms / 1000:.3f}s" == _to_milliseconds(json_format.MessageToDict(told))


def _to_milliseconds(duration: object) -> str:
    """Return protobuf's JSON of a duration with just three decimals, if it has no more."""
    whole, _, decimals = str(duration).removesuffix("s").partition(".")
    return f"{whole}.{decimals:0<3}s"
