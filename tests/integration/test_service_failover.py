"""Ollama fails: the next provider answers, or the caller learns why nobody did."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_steps import (
    End,
    Script,
    answer,
    body,
    busy,
    die_after,
    end,
    error_line,
    fail_first,
    headers,
    page,
    refuse,
    repeat_guard,
    runner_stopped,
    silent,
    token,
)
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, Tree, over_ollama, running_service
from tests.integration.calling import answerer, failure_of, said, text_of, whole

QUICK_S = 0.2
MOCK = llm_pb2.PROVIDER_KIND_MOCK
OLLAMA = llm_pb2.PROVIDER_KIND_OLLAMA


@dataclass(frozen=True, slots=True)
class Fault:
    """What Ollama does before any content, and what a caller without a fallback is told.

    `blocks`: Whether the provider is left alone for a while after it.
    """

    script: Script
    code: str
    reason: str
    waiting_helps: bool = True
    blocks: bool = False

    @property
    def patience_s(self) -> float:
        """What is short only where it is to end: on a busy machine other faults take their time."""
        return QUICK_S if self.reason == "PROVIDER_TIMEOUT" else PATIENCE_S


FAULTS = {
    "cut": Fault(end(End.CUT), "UNAVAILABLE", "PROVIDER_UNREACHABLE"),
    "reset": Fault(end(End.RESET), "UNAVAILABLE", "PROVIDER_UNREACHABLE"),
    "cut_after_headers": Fault((headers(), end(End.CUT)), "UNAVAILABLE", "PROVIDER_ERROR"),
    "clean_end": Fault((headers(), end(End.CLEAN)), "UNAVAILABLE", "PROVIDER_ERROR"),
    "500": Fault(refuse(500, "secret of the upstream"), "UNAVAILABLE", "PROVIDER_ERROR"),
    "error_line": Fault(error_line("secret of the upstream"), "UNAVAILABLE", "PROVIDER_ERROR"),
    "error_first": Fault(fail_first(500, "something"), "UNAVAILABLE", "PROVIDER_ERROR"),
    "runner_stopped": Fault(runner_stopped(), "UNAVAILABLE", "PROVIDER_ERROR"),
    "silent": Fault(silent(), "UNAVAILABLE", "PROVIDER_TIMEOUT"),
    "silent_after_headers": Fault((headers(), silent()), "UNAVAILABLE", "PROVIDER_TIMEOUT"),
    "busy": Fault(busy(), "RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED"),
    "429": Fault(
        refuse(429, "slow down"), "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", blocks=True
    ),
    "401": Fault(
        page(401, "no"),
        "FAILED_PRECONDITION",
        "PROVIDER_CREDENTIALS_REJECTED",
        waiting_helps=False,
        blocks=True,
    ),
    "garbage": Fault(
        body(b"<html>no</html>\n"), "INTERNAL", "PROVIDER_PROTOCOL", waiting_helps=False
    ),
}
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])


@asynccontextmanager
async def service_over(
    *, mock: bool, first_s: float = PATIENCE_S, idle_s: float = PATIENCE_S
) -> AsyncIterator[tuple[FakeOllama, RunningService]]:
    """Run the service over an Ollama with its model in memory, and these limits on its silence."""
    async with (
        FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake,
        running_service(
            over_ollama(fake, mock=mock, first_token_timeout_s=first_s, idle_timeout_s=idle_s)
        ) as service,
    ):
        yield fake, service


@each_fault
@each_method
async def test_the_mock_answers_where_ollama_fails(fault: Fault, *, unary: bool) -> None:
    async with service_over(mock=True, first_s=fault.patience_s) as (fake, service):
        fake.will(fault.script, times=math.inf)

        failed_over = await answerer(service, unary=unary)
        fake.forget_scripts()
        afterwards = await answerer(service, unary=unary)

    assert MOCK == failed_over
    assert (MOCK if fault.blocks else OLLAMA) == afterwards


@each_fault
@each_method
async def test_alone_the_caller_learns_why(fault: Fault, *, unary: bool) -> None:
    async with service_over(mock=False, first_s=fault.patience_s) as (fake, service):
        fake.will(fault.script, times=math.inf)

        failure = await failure_of(whole(service) if unary else text_of(service))

        fake.forget_scripts()
        assert fault.blocks or await whole(service)
    assert (fault.code, fault.reason) == (failure.code, failure.reason)
    assert "ollama" == failure.metadata["provider"]
    assert -1 == failure.pushback_ms
    assert "secret" not in str(failure)
    kinds = [type(detail) for detail in failure.details]
    assert fault.waiting_helps == (error_details_pb2.RetryInfo in kinds)


@each_method
async def test_a_repeating_model_is_no_answer(*, unary: bool) -> None:
    async with service_over(mock=False) as (fake, service):
        fake.will(repeat_guard())

        failure = await failure_of(whole(service) if unary else text_of(service))

    expected = ("ABORTED", "MODEL_OUTPUT_INVALID") if unary else ("ABORTED", "STREAM_INTERRUPTED")
    assert expected == (failure.code, failure.reason)


@each_method
async def test_a_silent_cold_model_is_said_to_be_loading(*, unary: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(
            over_ollama(fake, first_token_timeout_s=0.1, cold_timeout_s=0.2)
        ) as service,
    ):
        fake.will(silent(), moves_model=True, times=math.inf)

        failure = await failure_of(whole(service) if unary else text_of(service))

    assert ("UNAVAILABLE", "MODEL_LOADING") == (failure.code, failure.reason)
    assert failure.detail(error_details_pb2.RetryInfo).retry_delay.seconds > 0


@pytest.mark.parametrize("how", [End.CUT, End.RESET, End.HANG, End.CLEAN])
async def test_after_content_a_stream_breaks_off_and_the_mock_is_not_asked(how: End) -> None:
    idle_s = QUICK_S if how is End.HANG else PATIENCE_S
    async with service_over(mock=True, idle_s=idle_s) as (fake, service):
        fake.will(die_after(2, how))
        stream = aiter(service.stub.ChatStream(chat_message()))
        started = await anext(stream)
        text = ""

        async def read() -> None:
            nonlocal text
            async for message in stream:
                text += message.delta.text

        failure = await failure_of(read())

    assert "t1 t2" == text
    assert ("ABORTED", "STREAM_INTERRUPTED") == (failure.code, failure.reason)
    assert "provider" == failure.metadata["cause"]
    route = failure.detail(llm_pb2.RouteInfo)
    assert OLLAMA == started.started.route.provider_kind == route.provider_kind
    assert [10] == [one.status_code for one in route.attempts]  # ABORTED
    assert failure.detail(llm_pb2.Usage).output_tokens > 0
    assert ["ollama"] == [one.provider.name for one in service.reporter.attempts]


async def test_an_error_line_after_content_breaks_a_stream_off() -> None:
    async with service_over(mock=True) as (fake, service):
        fake.will(token("a"), error_line("an upstream's secret"))

        failure = await failure_of(text_of(service))

    assert ("ABORTED", "STREAM_INTERRUPTED") == (failure.code, failure.reason)
    assert "secret" not in str(failure)


@pytest.mark.parametrize("how", [End.CUT, End.RESET, End.HANG, End.CLEAN])
async def test_a_unary_answer_that_breaks_off_is_given_whole_by_the_mock(how: End) -> None:
    idle_s = QUICK_S if how is End.HANG else PATIENCE_S
    async with service_over(mock=True, idle_s=idle_s) as (fake, service):
        fake.will(die_after(2, how), times=2)

        response = await service.stub.Chat(chat_message())

    assert MOCK == response.route.provider_kind
    assert said(response).startswith("CANNED ANSWER")
    assert "t1" not in said(response)


@each_method
async def test_with_ollama_down_from_the_start_the_mock_answers(*, unary: bool) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.stop_listening()
        async with running_service(over_ollama(fake, mock=True)) as service:
            assert MOCK == await answerer(service, unary=unary)


@each_method
async def test_with_ollama_down_from_the_start_and_no_mock_it_is_unreachable(
    *, unary: bool
) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.stop_listening()
        async with running_service(over_ollama(fake)) as service:
            failure = await failure_of(whole(service) if unary else text_of(service))

    assert ("UNAVAILABLE", "PROVIDER_UNREACHABLE") == (failure.code, failure.reason)
    assert failure.pushback_ms is not None
    assert failure.pushback_ms >= 100


@each_method
async def test_with_ollama_gone_later_the_mock_answers_until_it_is_back(*, unary: bool) -> None:
    async with service_over(mock=True) as (fake, service):
        before = await answerer(service, unary=unary)
        fake.shut_down()
        meanwhile = await answerer(service, unary=unary)
        await fake.start_listening()
        afterwards = await answerer(service, unary=unary)

    assert (OLLAMA, MOCK, OLLAMA) == (before, meanwhile, afterwards)


@each_method
async def test_nobodys_typo_is_answered_by_the_mock(*, unary: bool) -> None:
    async with service_over(mock=True) as (fake, service):
        failure = await failure_of(
            whole(service, model="phi3:minni") if unary else text_of(service, model="phi3:minni")
        )

        assert [] == fake.chats
    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
    assert "ollama pull" not in failure.message
    assert "phi3:minni" == failure.detail(error_details_pb2.ResourceInfo).resource_name


async def test_a_missing_configured_model_comes_with_the_remedy() -> None:
    async with (
        FakeOllama(models=("qwen:latest",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        unnamed = await failure_of(whole(service))
        named = await failure_of(text_of(service, model="phi3:mini"))

    for failure in (unnamed, named):
        assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
        assert "ollama pull phi3:mini" in failure.message
        assert "true" == failure.metadata["pullable"]


async def test_a_missing_configured_model_is_answered_for_by_the_mock() -> None:
    async with (
        FakeOllama(models=("qwen:latest",)) as fake,
        running_service(over_ollama(fake, mock=True)) as service,
    ):
        assert MOCK == await answerer(service, unary=True)
        assert MOCK == await answerer(service, unary=False, model="phi3:mini")


async def test_a_model_that_was_removed_since_the_last_look_is_missing_with_the_remedy() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        await whole(service)
        fake.world.remove("phi3:mini")

        failure = await failure_of(whole(service))

    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
    assert "ollama pull phi3:mini" in failure.message


async def test_an_address_that_is_no_ollama_is_said_to_be_misconfigured() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        for path in ("/api/tags", "/api/ps", "/api/version", "/api/chat"):
            fake.will(page(404, "404 page not found"), path=path, times=100)
        async with running_service(over_ollama(fake)) as service:
            failure = await failure_of(whole(service))

    assert ("FAILED_PRECONDITION", "PROVIDER_MISCONFIGURED") == (failure.code, failure.reason)
    assert "ollama" == failure.metadata["provider"]


async def test_an_address_with_a_path_too_many_is_said_to_be_misconfigured() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        llm = over_ollama(fake, base_url=f"{fake.base_url}/ollama")
        async with running_service(llm) as service:
            failure = await failure_of(whole(service))

    assert ("FAILED_PRECONDITION", "PROVIDER_MISCONFIGURED") == (failure.code, failure.reason)


def both(first: FakeOllama, second: FakeOllama) -> Tree:
    """Return settings for two Ollamas, one after the other."""
    entry = {"kind": "ollama", "model": "phi3:mini"}
    return {
        "providers": {
            "ollama": {**entry, "base_url": first.base_url},
            "spare": {**entry, "base_url": second.base_url},
        },
        "default_provider": "ollama",
        "fallback_sequence": ["spare"],
    }


@asynccontextmanager
async def service_over_two() -> AsyncIterator[tuple[FakeOllama, FakeOllama, RunningService]]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(FakeOllama(models=("phi3:mini",)))
        second = await stack.enter_async_context(FakeOllama(models=("phi3:mini", "qwen:latest")))
        yield first, second, await stack.enter_async_context(running_service(both(first, second)))


@each_method
async def test_a_second_ollama_answers_for_the_first(*, unary: bool) -> None:
    async with service_over_two() as (first, second, service):
        first.will(refuse(500, "no"), times=2)
        second.will(answer("I do."))

        text = await whole(service) if unary else await text_of(service)

    assert "I do." == text


async def test_a_model_that_only_the_second_has_runs_there() -> None:
    async with service_over_two() as (first, _, service):
        response = await service.stub.Chat(chat_message(model="qwen"))

        assert [] == first.chats
    assert "spare" == response.route.provider


@each_method
async def test_if_both_fail_the_one_that_may_pass_decides(*, unary: bool) -> None:
    async with service_over_two() as (first, second, service):
        first.will(page(401, "no"))
        second.will(busy())

        failure = await failure_of(whole(service) if unary else text_of(service))

    assert ("RESOURCE_EXHAUSTED", "ALL_TARGETS_FAILED") == (failure.code, failure.reason)
    assert "PROVIDER_OVERLOADED" == failure.metadata["primaryReason"]
    assert -1 == failure.pushback_ms
    assert failure.detail(error_details_pb2.RetryInfo).retry_delay.seconds > 0


@each_method
async def test_a_request_that_the_first_calls_invalid_goes_nowhere_else(*, unary: bool) -> None:
    async with service_over_two() as (first, second, service):
        first.will(refuse(400, "bad thing"))

        failure = await failure_of(whole(service) if unary else text_of(service))

        assert [] == second.chats
    assert ("INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM") == (failure.code, failure.reason)


async def test_a_too_long_prompt_is_the_callers_and_goes_nowhere_else() -> None:
    async with service_over_two() as (_, second, service):
        failure = await failure_of(whole(service, "word " * 20_000))

        assert [] == second.chats
    assert ("INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED") == (failure.code, failure.reason)
    assert "2048" == failure.metadata["contextLength"]


async def test_many_failures_at_once_leave_nothing_behind() -> None:
    async with service_over(mock=True) as (fake, service):
        fake.will(end(End.CUT), times=25)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(answerer(service, unary=False)) for _ in range(50)]

        assert {MOCK, OLLAMA} >= {await call for call in calls}
        assert 0 == len(service.app.in_flight) == service.app.admission.running
