"""ChatStream, by a blocking stub as most clients have it."""

from collections.abc import Sequence

import grpc
import pytest

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta
from llmsvc_server.chat.usage import FinishReason
from tests.contract.calls import provider_of
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import told
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually
from tests.fakes.requests import MAX_ANSWER_BYTES, chat_message
from tests.fakes.scripted_provider import Step, done


def streamed(
    stub: llm_pb2_grpc.LLMServiceStub, *, final_message_included: bool = False
) -> list[llm_pb2.ChatStreamResponse]:
    request = chat_message()
    request.stream_options.final_message_included = final_message_included
    return list(stub.ChatStream(request, metadata=(("x-request-id", "req-1"),), timeout=10))


def events(messages: Sequence[llm_pb2.ChatStreamResponse]) -> list[str | None]:
    return [message.WhichOneof("event") for message in messages]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Delta("a"), done()], ["started", "delta", "completed"]),
        ([Delta("a"), Delta("b"), done()], ["started", "delta", "delta", "completed"]),
        ([SIGN_OF_LIFE, Delta("a"), SIGN_OF_LIFE, done()], ["started", "delta", "completed"]),
        ([SIGN_OF_LIFE, done()], ["started", "completed"]),
        ([done()], ["started", "completed"]),
    ],
)
def test_the_order_is_started_then_deltas_then_completed(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    steps: list[Step],
    expected: list[str],
) -> None:
    served.provider.will(*steps)

    assert expected == events(streamed(grpc_stub))


def test_what_started_says_is_who_answers(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    first, *_, last = streamed(grpc_stub)
    route = first.started.route

    assert ("ollama", MODEL, llm_pb2.LOCALITY_LOCAL) == (
        route.provider,
        route.model,
        route.locality,
    )
    assert [(0, True)] == [(one.status_code, one.content_sent) for one in route.attempts]
    assert "req-1" == first.started.request_id
    assert ("req-1", route) == (last.completed.request_id, last.completed.route)


def test_completed_says_where_the_time_went(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    end = done()
    end.timings.load_s = 2.0
    served.provider.will(Delta("a"), end)
    answered = streamed(grpc_stub)[-1].completed.timings
    served.provider.will(done())
    empty = streamed(grpc_stub)[-1].completed.timings

    assert 2 == answered.model_load_duration.ToSeconds()
    assert answered.HasField("total_duration")
    assert answered.HasField("first_token_duration")
    assert not empty.HasField("first_token_duration")


def test_deltas_are_of_one_part_and_make_up_the_answer(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    pieces = ["one ", "\N{SNOWMAN}", "\x00", " two"] * 100
    served.provider.will(*(Delta(piece) for piece in pieces), done())
    deltas = [message.delta for message in streamed(grpc_stub) if message.HasField("delta")]

    assert pieces == [delta.text for delta in deltas]
    assert {0} == {delta.part_index for delta in deltas}


def test_completed_has_the_totals_and_no_message(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    end = done(FinishReason.CONTEXT_LENGTH, input_tokens=0, output_tokens=7)
    served.provider.will(Delta("a"), end)
    completed = streamed(grpc_stub)[-1].completed

    assert llm_pb2.FINISH_REASON_CONTEXT_LENGTH == completed.finish_reason
    assert (0, 7, 7) == (
        completed.usage.input_tokens,
        completed.usage.output_tokens,
        completed.usage.total_tokens,
    )
    assert not completed.HasField("message")


@pytest.mark.parametrize("pieces", [("a", "", "b"), ()])
def test_the_message_is_repeated_at_the_end_on_request(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, pieces: tuple[str, ...]
) -> None:
    served.provider.will(*(Delta(piece) for piece in pieces), done())
    message = streamed(grpc_stub, final_message_included=True)[-1].completed.message

    assert llm_pb2.ROLE_ASSISTANT == message.role
    assert list(filter(None, ["".join(pieces)])) == [part.text for part in message.parts]


def test_the_request_id_is_in_the_trailers(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    call = grpc_stub.ChatStream(chat_message(), metadata=(("x-request-id", "req-2"),), timeout=10)
    _ = list(call)

    assert "req-2" == dict(call.trailing_metadata() or ())["x-request-id"]


async def test_an_answer_too_long_to_repeat_is_interrupted_instead() -> None:
    piece = Delta("é" * (MAX_ANSWER_BYTES // 16))  # an eighth, in bytes
    request = chat_message()
    request.stream_options.final_message_included = True
    async with assembled(provider_of(*[piece] * 9, done())) as service:
        stream = service.stub.ChatStream(request)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            _ = [message async for message in stream]

    assert "STREAM_INTERRUPTED" == told(failed.value).reason


async def test_an_answer_that_finds_no_room_to_be_repeated_is_interrupted() -> None:
    request = chat_message()
    request.stream_options.final_message_included = True
    async with assembled(provider_of(Delta("x" * 60), done()), max_held_bytes=100) as service:
        service.held.add("other", 60)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            _ = [message async for message in service.stub.ChatStream(request)]
        await eventually(lambda: service.held.bytes == 60)

    assert {"cause": "overload"} == told(failed.value).metadata
