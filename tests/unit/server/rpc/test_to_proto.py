from collections.abc import Iterable, Mapping
from enum import StrEnum

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind, Route
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.rpc.to_proto import (
    ACTIONS,
    FINISH_REASONS,
    LOCALITIES,
    PROVIDER_KINDS,
    response_to_proto,
    route_to_proto,
)
from tests.fakes.scripted_provider import LOCAL_OLLAMA, done

ROUTE = Route(provider=LOCAL_OLLAMA, model="phi3:mini", requested_model="phi3")
MOST = 2**31 - 1


def usage_of(input_tokens: int | None, output_tokens: int | None) -> llm_pb2.Usage:
    end = done(input_tokens=input_tokens, output_tokens=output_tokens)
    return response_to_proto(end, ROUTE, "req-1", None).usage


def test_an_answer_becomes_a_message_with_everything_in_its_place() -> None:
    end = Done(
        finish_reason=FinishReason.STOP_SEQUENCE,
        provider_finish_reason="stop",
        stop_sequence="###",
        usage=Usage(input_tokens=12, output_tokens=30),
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
            input_method=reported,
            output_method=reported,
        ),
        route=llm_pb2.RouteInfo(
            provider="ollama",
            provider_kind=llm_pb2.PROVIDER_KIND_OLLAMA,
            model="phi3:mini",
            requested_model="phi3",
            locality=llm_pb2.LOCALITY_LOCAL,
        ),
        adjustments=[
            llm_pb2.Adjustment(
                field="generation_config.seed",
                action=llm_pb2.Adjustment.ACTION_IGNORED,
                description="No.",
            )
        ],
        provider_finish_reason="stop",
    )

    assert expected == response_to_proto(end, ROUTE, "req-1", "hello")


def test_an_empty_answer_has_one_empty_part_so_that_it_can_be_sent_back() -> None:
    response = response_to_proto(done(), ROUTE, "req-1", "")

    assert [""] == [part.text for part in response.message.parts]
    assert "text" == response.message.parts[0].WhichOneof("part")


def test_no_text_leaves_the_message_unset() -> None:
    assert not response_to_proto(done(), ROUTE, "req-1", None).HasField("message")


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


def test_a_mock_says_what_it_is() -> None:
    mock = ProviderInfo(name="demo", kind=ProviderKind.MOCK, locality=Locality.LOCAL)
    route = route_to_proto(Route(provider=mock, model="mock", requested_model=""))

    assert llm_pb2.PROVIDER_KIND_MOCK == route.provider_kind


@pytest.mark.parametrize(
    ("table", "values", "numbers"),
    [
        (FINISH_REASONS, FinishReason, llm_pb2.FinishReason.values()),
        (PROVIDER_KINDS, ProviderKind, llm_pb2.ProviderKind.values()),
        (LOCALITIES, Locality, llm_pb2.Locality.values()),
        (ACTIONS, Action, llm_pb2.Adjustment.Action.values()),
    ],
)
def test_every_value_has_its_own_number_and_every_number_a_value(
    table: Mapping[StrEnum, int], values: Iterable[StrEnum], numbers: Iterable[int]
) -> None:
    assert set(table) == set(values)
    assert set(table.values()) == set(numbers) - {0}
