"""A prompt that is too long for a provider: the caller learns so, whatever else is configured."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_steps import Script, body, error_event, event, page, refuse, reply
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service
from tests.integration.calling import failure_of, text_of, whole

MODEL = "m"
TOO_LONG = refuse(400, "This model's maximum context length is 64 tokens.", code=400)
each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])


@asynccontextmanager
async def service_over(
    *entries: Mapping[str, object],
) -> AsyncIterator[tuple[list[FakeOpenai], RunningService]]:
    """Run the service over as many local servers, "p0" and so on, with these further settings."""
    async with AsyncExitStack() as stack:
        fakes = [
            await stack.enter_async_context(FakeOpenai(models=(MODEL,)))
            for _ in range(len(entries))
        ]
        providers = {
            f"p{place}": {
                "kind": "openai",
                "local": True,
                "base_url": fake.base_url,
                "model": MODEL,
                **entry,
            }
            for place, (fake, entry) in enumerate(zip(fakes, entries, strict=True))
        }
        first, *others = providers
        llm = {"providers": providers, "default_provider": first, "fallback_sequence": others}
        yield fakes, await stack.enter_async_context(running_service(llm))


async def failed(service: RunningService, text: str = "hi", *, unary: bool) -> Told:
    return await failure_of(whole(service, text) if unary else text_of(service, text))


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([{}], id="no window"),
        pytest.param([{}, {"context_length": 8}], id="no window and a small one"),
        pytest.param([{"context_length": 8}, {"context_length": 9}], id="small ones"),
    ],
)
@each_method
async def test_it_is_the_prompt_where_nobody_else_is_known_to_hold_it(
    others: list[Mapping[str, object]], *, unary: bool
) -> None:
    async with service_over({"context_length": 64}, *others) as (fakes, service):
        fakes[0].will(TOO_LONG, times=2)

        failure = await failed(service, unary=unary)

        assert [1] + [0] * len(others) == [len(fake.chats) for fake in fakes]
    assert ("INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED") == (failure.code, failure.reason)
    assert "p0" == failure.metadata["provider"]
    attempts = failure.detail(llm_pb2.RouteInfo).attempts
    assert ["p0", *(f"p{n}" for n in range(1, len(fakes)))] == [
        one.target.provider for one in attempts
    ]


@each_method
async def test_it_is_the_prompt_where_it_fits_nowhere_by_estimate(*, unary: bool) -> None:
    async with service_over({"context_length": 8}, {"context_length": 9}) as (fakes, service):
        failure = await failed(service, "word " * 100, unary=unary)

        assert [] == [*fakes[0].chats, *fakes[1].chats]
    assert ("INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED") == (failure.code, failure.reason)


@each_method
async def test_who_never_fitted_does_not_hide_why_the_other_failed(*, unary: bool) -> None:
    async with service_over({"context_length": 8}, {}) as (fakes, service):
        fakes[1].will(page(401, "no"))

        failure = await failed(service, "word " * 100, unary=unary)

    assert ("FAILED_PRECONDITION", "PROVIDER_CREDENTIALS_REJECTED") == (
        failure.code,
        failure.reason,
    )


@each_method
async def test_a_target_that_holds_it_and_fails_is_a_target_that_failed(*, unary: bool) -> None:
    async with service_over({"context_length": 64}, {"context_length": 4096}) as (fakes, service):
        fakes[0].will(TOO_LONG)
        fakes[1].will(page(503, "no"), times=2)

        failure = await failed(service, unary=unary)

    assert ("UNAVAILABLE", "ALL_TARGETS_FAILED") == (failure.code, failure.reason)


KEEPS = "The number of tokens to keep from the initial prompt is greater than the context length"
LITELLM = (
    "litellm.BadRequestError: AnthropicException - prompt is too long: 210000 tokens > 200000"
    " maximum"
)
SAID = {
    "LM Studio": reply({"error": KEEPS}, 400),
    "LM Studio's event": body(
        f'event: error\ndata: {{"error":{{"message":"{KEEPS}"}}}}\n\n'.encode()
    ),
    "an event": error_event(KEEPS),
    "an event with a text": event({"error": KEEPS}),
    "an event whose text stands alone": body(f'event: error\ndata: "{KEEPS}"\n\n'.encode()),
    "a whole body under 200": reply({"error": {"message": KEEPS}}),
    "LiteLLM": refuse(400, LITELLM, type="None", code="400"),
    "LiteLLM's event": error_event(LITELLM, code="400"),
    "SGLang": reply(
        {
            "object": "error",
            "message": "The input (9001 tokens) is longer than the model's context length (8192"
            " tokens).",
            "type": "BadRequestError",
            "code": 400,
        },
        400,
    ),
    "FastAPI": reply({"detail": KEEPS}, 422),
    "llama.cpp": refuse(500, "Context size has been exceeded.", type="server_error", code=500),
}


@pytest.mark.parametrize("script", SAID.values(), ids=SAID)
@each_method
async def test_it_is_known_in_the_words_of_many_servers_and_holds_nobody_else_up(
    script: Script, *, unary: bool
) -> None:
    async with service_over({}) as ([fake], service):
        fake.will(script, times=5)

        failures = [await failed(service, unary=unary) for _ in range(5)]

        assert fake.answer == await whole(service)
    assert {("INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED")} == {
        (failure.code, failure.reason) for failure in failures
    }


@each_method
async def test_a_quotation_of_the_prompt_is_no_overflow(*, unary: bool) -> None:
    quoted = f"1 validation error: messages.0.content: bad, input_value='{KEEPS}'"
    async with service_over({}) as ([fake], service):
        fake.will(refuse(400, quoted))

        failure = await failed(service, KEEPS, unary=unary)

    assert ("INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM") == (failure.code, failure.reason)


async def test_an_entry_without_a_key_is_no_target_that_failed() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake:
        fake.will(page(503, "no"), times=2)
        local = {"kind": "openai", "local": True, "base_url": fake.base_url, "model": MODEL}
        llm = {
            "providers": {"vllm": local, "openai": {"kind": "openai"}},
            "default_provider": "vllm",
            "fallback_sequence": ["openai"],
        }
        async with running_service(llm) as service:
            request = chat_message()
            request.routing_policy.targets.add(provider="openai")
            request.routing_policy.targets.add(provider="vllm")
            failure = await failure_of(service.stub.Chat(request))

    assert ("UNAVAILABLE", "PROVIDER_ERROR") == (failure.code, failure.reason)
