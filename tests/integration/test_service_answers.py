"""What a caller gets from the whole service when all is well, and what Ollama is sent."""

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_steps import answer, done, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama, running_service
from tests.integration.calling import said, text_of, whole


def _options(sent: Json) -> Json:
    options = sent["options"]
    assert isinstance(options, dict)
    return options


def limited(most_tokens: int) -> llm_pb2.ChatRequest:
    request = chat_message()
    request.generation_config.max_output_tokens = most_tokens
    return request


async def test_a_unary_answer_has_text_usage_route_and_id() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        fake.will(answer("Good day."))

        response = await service.stub.Chat(
            chat_message(), metadata=(("x-request-id", "my-call-1"),)
        )

    assert "Good day." == said(response)
    assert llm_pb2.ROLE_ASSISTANT == response.message.role
    assert "my-call-1" == response.request_id
    assert llm_pb2.FINISH_REASON_STOP == response.finish_reason
    assert "stop" == response.provider_finish_reason
    assert not response.adjustments
    assert (
        llm_pb2.Usage(
            input_tokens=26,
            output_tokens=9,
            total_tokens=35,
            input_method=llm_pb2.TOKEN_COUNT_METHOD_REPORTED,
            output_method=llm_pb2.TOKEN_COUNT_METHOD_REPORTED,
        )
        == response.usage
    )
    (attempt,) = response.route.attempts
    assert attempt.elapsed_duration.nanos > 0
    attempt.ClearField("elapsed_duration")
    assert (
        llm_pb2.RouteInfo(
            provider="ollama",
            provider_kind=llm_pb2.PROVIDER_KIND_OLLAMA,
            model="phi3:mini",
            locality=llm_pb2.LOCALITY_LOCAL,
            effective_privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
            attempts=[
                llm_pb2.RouteAttempt(
                    target=llm_pb2.RouteTarget(provider="ollama", model="phi3:mini"),
                    locality=llm_pb2.LOCALITY_LOCAL,
                    content_sent=True,
                )
            ],
        )
        == response.route
    )
    assert response.timings.HasField("total_duration")
    assert response.timings.HasField("prompt_duration")


async def test_a_stream_starts_with_the_route_and_ends_with_the_same_facts() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        unary = await service.stub.Chat(chat_message())
        first, *deltas, last = [one async for one in service.stub.ChatStream(chat_message())]

    assert unary.route.provider == first.started.route.provider
    assert fake.conversation.answer == "".join(one.delta.text for one in deltas)
    assert first.started.request_id == last.completed.request_id != ""
    assert first.started.route == last.completed.route
    assert unary.usage == last.completed.usage
    assert not last.completed.HasField("message")


async def test_a_stream_ends_with_the_whole_message_where_that_was_asked_for() -> None:
    request = chat_message()
    request.stream_options.final_message_included = True
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        *_, last = [one async for one in service.stub.ChatStream(request)]

    assert fake.conversation.answer == said(last.completed)


async def test_deltas_come_when_they_are_written() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        gate = Gate()
        fake.will(token("a"), gate, token("b"), done())
        stream = aiter(service.stub.ChatStream(chat_message()))
        before = [await anext(stream), await anext(stream)]
        gate.open()
        after = [one async for one in stream]

    assert "a" == before[1].delta.text
    assert "b" == after[0].delta.text


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (done("stop"), llm_pb2.FINISH_REASON_STOP),
        (done("length"), llm_pb2.FINISH_REASON_MAX_TOKENS),
        (
            done("length", {"prompt_eval_count": 2000, "eval_count": 48}),
            llm_pb2.FINISH_REASON_CONTEXT_LENGTH,
        ),
        (done("something new"), llm_pb2.FINISH_REASON_OTHER),
    ],
)
async def test_says_why_an_answer_ended(script: object, reason: int) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        fake.will(token("a"), script, times=2)  # type: ignore[arg-type]  # pytest's are objects
        unary = await service.stub.Chat(chat_message())
        *_, last = [one async for one in service.stub.ChatStream(chat_message())]

    assert (reason, reason) == (unary.finish_reason, last.completed.finish_reason)


async def test_a_clamped_limit_is_sent_and_told() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), limits={"max_output_tokens": 3}) as service,
    ):
        unary = await service.stub.Chat(limited(100))
        *_, last = [one async for one in service.stub.ChatStream(limited(100))]

    assert "The harbour wakes" == said(unary)
    assert llm_pb2.FINISH_REASON_MAX_TOKENS == unary.finish_reason
    assert [3, 3] == [_options(chat.json)["num_predict"] for chat in fake.chats]
    for one in (unary, last.completed):
        assert [("generation_config.max_output_tokens", llm_pb2.Adjustment.ACTION_CLAMPED)] == [
            (adjustment.field, adjustment.action) for adjustment in one.adjustments
        ]


async def test_a_limit_within_the_bounds_is_kept() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        response = await service.stub.Chat(limited(2))

    assert "The harbour" == said(response)
    assert not response.adjustments


async def test_ollama_is_sent_the_same_fixed_terms_by_both_methods() -> None:
    terms = {"stream": True, "truncate": False, "shift": False, "think": False, "keep_alive": 77}
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(
            over_ollama(fake, num_ctx=1024, keep_alive_s=77, temperature=0.25)
        ) as service,
    ):
        await whole(service)
        await text_of(service)

    for chat in fake.chats:
        assert terms == {name: chat.json[name] for name in terms}
        assert 1024 == _options(chat.json)["num_ctx"]
        assert 0.25 == _options(chat.json)["temperature"]
        assert [{"role": "user", "content": "hi"}] == chat.json["messages"]


async def test_settings_of_a_request_reach_ollama() -> None:
    request = chat_message()
    settings = {
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 7,
        "min_p": 0.25,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.25,
        "repeat_penalty": 1.5,
        "seed": 42,
    }
    for name, value in settings.items():
        setattr(request.generation_config, name, value)
    request.generation_config.stop_sequences.append("END")
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        await service.stub.Chat(request)

    options = _options(fake.chats[0].json)
    assert settings == {name: options[name] for name in settings}
    assert ["END"] == options["stop"]


@pytest.mark.parametrize(
    "named", ["Phi3:MINI", "registry.ollama.ai/library/phi3:mini", "phi3:mini"]
)
async def test_a_model_may_be_named_in_another_spelling(named: str) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        response = await service.stub.Chat(chat_message(model=named))

    assert "phi3:mini" == fake.chats[0].json["model"]
    assert ("phi3:mini", named) == (response.route.model, response.route.requested_model)


async def test_another_listed_model_may_be_named_without_its_latest() -> None:
    async with (
        FakeOllama(models=("phi3:mini", "Qwen:latest")) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        response = await service.stub.Chat(chat_message(model="qwen"))

    assert "Qwen:latest" == fake.chats[0].json["model"] == response.route.model


async def test_a_configured_model_needs_no_latest_either() -> None:
    async with (
        FakeOllama(models=("qwen:latest",)) as fake,
        running_service(over_ollama(fake, model="qwen")) as service,
    ):
        response = await service.stub.Chat(chat_message())

    assert "qwen:latest" == response.route.model


async def test_an_empty_answer_is_an_answer() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, mock=True)) as service,
    ):
        fake.will(done(), times=2)
        unary = await service.stub.Chat(chat_message())
        first, last = [one async for one in service.stub.ChatStream(chat_message())]

    assert not unary.message.parts
    assert llm_pb2.PROVIDER_KIND_OLLAMA == unary.route.provider_kind
    assert llm_pb2.PROVIDER_KIND_OLLAMA == first.started.route.provider_kind
    assert llm_pb2.FINISH_REASON_STOP == last.completed.finish_reason


async def test_the_request_id_is_in_the_trailers_too() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        call = service.stub.Chat(chat_message())
        response = await call
        trailers = dict(await call.trailing_metadata())

    assert grpc.StatusCode.OK == await call.code()
    assert response.request_id == trailers["x-request-id"] != ""


async def test_times_are_measured_and_told_to_the_microsecond() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        nanos: list[int] = []
        for _ in range(10):
            fake.will(answer("Good day."))
            response = await service.stub.Chat(chat_message())
            times, (attempt,) = response.timings, response.route.attempts
            nanos += [
                times.total_duration.nanos,
                times.first_token_duration.nanos,
                attempt.elapsed_duration.nanos,
            ]

    assert {0} == {one % 1_000 for one in nanos}
    assert {0} != {one % 1_000_000 for one in nanos}
