"""Chat, by a blocking stub as most clients have it."""

import re

import pytest
from google.protobuf.duration_pb2 import Duration

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, Timings
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.loop_thread import ServedElsewhere
from tests.fakes.assembled import MODEL
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

ROUTE = llm_pb2.RouteInfo(
    provider="ollama",
    provider_kind=llm_pb2.PROVIDER_KIND_OLLAMA,
    model=MODEL,
    locality=llm_pb2.LOCALITY_LOCAL,
    effective_privacy_mode=llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED,
    attempts=[
        llm_pb2.RouteAttempt(
            target=llm_pb2.RouteTarget(provider="ollama", model=MODEL),
            locality=llm_pb2.LOCALITY_LOCAL,
            content_sent=True,
        )
    ],
)


def test_an_answer_comes_whole_with_its_end_its_usage_and_its_route(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(
        Delta("hel"),
        Delta("lo"),
        Done(
            finish_reason=FinishReason.STOP_SEQUENCE,
            stop_sequence="###",
            provider_finish_reason="stop",
            provider_response_id="chatcmpl-1",
            usage=Usage(input_tokens=12, output_tokens=3),
            timings=Timings(generation_s=1.5),
            adjustments=(Adjustment(field="seed", action=Action.IGNORED, description="No."),),
        ),
    )
    response = grpc_stub.Chat(chat_message(), metadata=(("x-request-id", "req-1"),), timeout=10)
    reported = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    expected = llm_pb2.ChatResponse(
        request_id="req-1",
        message=llm_pb2.Message(
            role=llm_pb2.ROLE_ASSISTANT, parts=[llm_pb2.ContentPart(text="hello")]
        ),
        finish_reason=llm_pb2.FINISH_REASON_STOP_SEQUENCE,
        stop_sequence="###",
        provider_finish_reason="stop",
        usage=llm_pb2.Usage(
            input_tokens=12,
            output_tokens=3,
            total_tokens=15,
            input_method=reported,
            output_method=reported,
        ),
        route=ROUTE,
        timings=llm_pb2.Timings(generation_duration=Duration(seconds=1, nanos=500_000_000)),
        provider_response_id="chatcmpl-1",
        adjustments=[
            llm_pb2.Adjustment(
                field="seed", action=llm_pb2.Adjustment.ACTION_IGNORED, description="No."
            )
        ],
    )

    total_s = response.timings.total_duration.ToNanoseconds() / 1e9
    first_s = response.timings.first_token_duration.ToNanoseconds() / 1e9
    took_s = response.route.attempts[0].elapsed_duration.ToNanoseconds() / 1e9
    response.timings.ClearField("total_duration")
    response.timings.ClearField("first_token_duration")
    response.route.attempts[0].ClearField("elapsed_duration")

    assert expected == response
    assert 0 <= took_s <= total_s < 10
    assert 0 <= first_s <= total_s


def test_an_empty_answer_is_an_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(SIGN_OF_LIFE, done(FinishReason.MAX_TOKENS))
    response = grpc_stub.Chat(chat_message(), timeout=10)

    assert not response.message.parts
    assert llm_pb2.FINISH_REASON_MAX_TOKENS == response.finish_reason
    assert not response.usage.ListFields()


def test_an_answer_can_be_sent_back_as_it_is(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    request = chat_message()
    answer = grpc_stub.Chat(request, timeout=10).message
    request.messages.append(answer)
    request.messages.append(chat_message("go on").messages[0])
    _ = grpc_stub.Chat(request, timeout=10)
    texts = [message.text for message in served.provider.calls[-1].request.messages]

    assert ["hi", "hello", "go on"] == texts


def test_the_model_that_was_named_is_told_beside_the_one_that_ran(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
) -> None:
    route = grpc_stub.Chat(chat_message(model="PHI3:mini"), timeout=10).route

    assert (MODEL, "PHI3:mini") == (route.model, route.requested_model)


@pytest.mark.parametrize("size", [1, 200_000])
def test_text_of_any_size_and_script_arrives_as_it_was_written(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, size: int
) -> None:
    text = "\N{SNOWMAN}\N{GRINNING FACE}e\u0301\x00\r\n" * size
    served.provider.will(Delta(text), done())

    assert text == grpc_stub.Chat(chat_message(), timeout=10).message.parts[0].text


@pytest.mark.parametrize("fails", [False, True])
def test_the_request_id_is_in_the_trailers_of_every_call(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, *, fails: bool
) -> None:
    served.provider.will(*([ProviderError(ErrorKind.SATURATED)] if fails else [done()]))
    outcome = grpc_stub.Chat.future(
        chat_message(), metadata=(("x-request-id", "a-b_c.9"),), timeout=10
    )
    failed = outcome.exception() is not None

    assert fails == failed
    assert "a-b_c.9" == dict(outcome.trailing_metadata() or ())["x-request-id"]


@pytest.mark.parametrize("sent", [(), (("x-request-id", "not valid"),), (("x-request-id", ""),)])
def test_without_a_valid_one_the_server_makes_one(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, sent: tuple[tuple[str, str], ...]
) -> None:
    response, call = grpc_stub.Chat.with_call(chat_message(), metadata=sent, timeout=10)

    assert re.fullmatch("[0-9a-f]{16}", response.request_id)
    assert response.request_id == dict(call.trailing_metadata() or ())["x-request-id"]


def test_a_request_id_that_came_as_bytes_is_not_taken(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
) -> None:
    response = grpc_stub.Chat(
        chat_message(), metadata=(("x-request-id-bin", b"req-1"),), timeout=10
    )

    assert re.fullmatch("[0-9a-f]{16}", response.request_id)


def test_a_deadline_far_away_is_no_trouble(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    assert grpc_stub.Chat(chat_message(), timeout=10_000_000).HasField("message")
