"""What every call says of its way: headers, trailers, and the attempts in answers and failures."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.events import Delta, Phase
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.calls import Ended, Stream, event_of, provider_of, settled, stream, unary
from tests.contract.told import Told, told
from tests.fakes.assembled import MODEL, Assembled, assembled
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import ScriptedProvider, Step, Waiting, done

pytestmark = pytest.mark.usefixtures("nothing_left")
CLOUD = ProviderInfo(name="cloud", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)
ID = (("x-request-id", "req-1"),)
SENT = Waiting(Phase.PROVIDER)


def cloud_of(*steps: Step) -> ScriptedProvider:
    """Return a remote provider that has the default model."""
    return ScriptedProvider(*steps, info=CLOUD, models=[MODEL])


def attempts_of(failure: Told | None) -> list[tuple[str, int, str, bool, bool]]:
    """Return provider, code, reason, whether content was sent and whether time is told."""
    assert failure is not None
    return [
        (
            one.target.provider,
            one.status_code,
            llm_pb2.ErrorReason.Name(one.reason).removeprefix("ERROR_REASON_"),
            one.content_sent,
            one.HasField("elapsed_duration"),
        )
        for one in failure.detail(llm_pb2.RouteInfo).attempts
    ]


async def rest_of(call: Stream) -> list[str | None]:
    """Return the names of a stream's remaining events."""
    events: list[str | None] = []
    while isinstance(message := await call.read(), llm_pb2.ChatStreamResponse):
        events.append(message.WhichOneof("event"))
    return events


async def answered(service: Assembled, *, whole: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the trailers of a call that is answered."""
    if whole:
        unary_call = service.stub.Chat(chat_message(), metadata=ID, timeout=30)
        await unary_call
        headers = await unary_call.initial_metadata()
        trailers = await unary_call.trailing_metadata()
    else:
        stream_call = service.stub.ChatStream(chat_message(), metadata=ID, timeout=30)
        await rest_of(stream_call)
        headers = await stream_call.initial_metadata()
        trailers = await stream_call.trailing_metadata()
    return (
        {key: str(value) for key, value in headers},
        {key: str(value) for key, value in trailers},
    )


@pytest.mark.parametrize("whole", [True, False])
async def test_headers_and_trailers_say_who_answered_after_what(*, whole: bool) -> None:
    async with assembled(
        provider_of(ProviderError(ErrorKind.PROTOCOL)), cloud_of(Delta("a"), done())
    ) as service:
        headers, trailers = await answered(service, whole=whole)
    route = trailers.pop("x-llmsvc-route")
    if whole:  # it leaves as one
        assert not headers
        headers = trailers

    assert "req-1" == trailers["x-request-id"]
    assert 29_000 < int(headers.pop("x-llmsvc-deadline-ms")) <= 30_000
    assert {
        "x-request-id": "req-1",
        "x-llmsvc-provider": "cloud",
        "x-llmsvc-model": MODEL,
        "x-llmsvc-locality": "remote",
        "x-llmsvc-attempts": "2",
    } == headers
    assert re.fullmatch(r"ollama/phi3:mini;PROVIDER_PROTOCOL;\d+,cloud/phi3:mini;OK;\d+", route)


async def test_an_answer_says_what_was_tried_before() -> None:
    async with assembled(provider_of(ProviderError(ErrorKind.PROTOCOL)), cloud_of()) as service:
        route = (await service.stub.Chat(chat_message(model="phi3:MINI"))).route

    assert ("cloud", MODEL, "phi3:MINI", llm_pb2.LOCALITY_REMOTE) == (
        route.provider,
        route.model,
        route.requested_model,
        route.locality,
    )
    assert llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED == route.effective_privacy_mode
    assert [(13, llm_pb2.ERROR_REASON_PROVIDER_PROTOCOL), (0, 0)] == [
        (one.status_code, one.reason) for one in route.attempts
    ]


async def test_when_all_fail_every_attempt_is_told() -> None:
    blocked = ProviderError(ErrorKind.OPEN, called=False, retry_after_s=3)
    async with assembled(
        provider_of(blocked), cloud_of(ProviderError(ErrorKind.SATURATED))
    ) as service:
        failure = (await stream(service)).failure
    assert failure is not None

    assert ("UNAVAILABLE", "ALL_TARGETS_FAILED", "BREAKER_OPEN") == (
        failure.code,
        failure.reason,
        failure.metadata["primaryReason"],
    )
    assert [
        ("ollama", 14, "BREAKER_OPEN", False, False),
        ("cloud", 8, "PROVIDER_OVERLOADED", True, True),
    ] == attempts_of(failure)
    assert -1 == failure.pushback_ms
    assert re.match(r"ollama/.*;BREAKER_OPEN,cloud/.*;PROVIDER_OVERLOADED;\d+", failure.route)


async def test_where_nothing_was_sent_a_wait_is_advised_instead() -> None:
    def blocked() -> ProviderError:
        return ProviderError(ErrorKind.OPEN, called=False, retry_after_s=3)

    async with assembled(provider_of(blocked()), cloud_of(blocked())) as service:
        failure = (await unary(service)).failure
    assert failure is not None

    assert ("BREAKER_OPEN", 3000) == (failure.reason, failure.pushback_ms)
    assert 3 == failure.detail(error_details_pb2.RetryInfo).retry_delay.ToSeconds()


async def refused(service: Assembled, policy: llm_pb2.RoutingPolicy) -> Told:
    """Return what a request under `policy` is told."""
    request = chat_message()
    request.routing_policy.CopyFrom(policy)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await service.stub.Chat(request, timeout=10)
    return told(failed.value)


async def test_a_provider_that_nobody_configured_is_named() -> None:
    policy = llm_pb2.RoutingPolicy(targets=[llm_pb2.RouteTarget(provider="no-such")])
    async with assembled(provider_of()) as service:
        failure = await refused(service, policy)
    resource = failure.detail(error_details_pb2.ResourceInfo)

    assert ("NOT_FOUND", "PROVIDER_NOT_FOUND") == (failure.code, failure.reason)
    assert ("provider", "no-such") == (resource.resource_type, resource.resource_name)
    assert not failure.route


async def test_a_forbidden_target_is_told_as_one_that_got_nothing() -> None:
    policy = llm_pb2.RoutingPolicy(
        privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
        targets=[llm_pb2.RouteTarget(provider="cloud")],
    )
    cloud = cloud_of()
    async with assembled(provider_of(), cloud) as service:
        failure = await refused(service, policy)
    precondition = failure.detail(error_details_pb2.PreconditionFailure)

    assert ("FAILED_PRECONDITION", "ROUTE_FORBIDDEN") == (failure.code, failure.reason)
    assert [("PRIVACY", "cloud")] == [(one.type, one.subject) for one in precondition.violations]
    assert "request" == failure.metadata["cause"]
    assert [("cloud", 9, "ROUTE_FORBIDDEN", False, False)] == attempts_of(failure)
    assert [] == cloud.calls


async def test_a_local_failure_says_that_privacy_kept_the_others_away() -> None:
    cloud = cloud_of()
    async with assembled(
        provider_of(ProviderError(ErrorKind.SATURATED)), cloud, privacy=Privacy.LOCAL_ONLY
    ) as service:
        failure = (await unary(service)).failure
    assert failure is not None

    assert ("PROVIDER_OVERLOADED", "privacy") == (
        failure.reason,
        failure.metadata["failoverBlocked"],
    )
    assert [] == cloud.calls


LATE = "TIME_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([SENT], ("cloud", 4, LATE, True, True)),
        ([Waiting(Phase.QUEUED)], ("cloud", 4, LATE, False, False)),
        ([Waiting(Phase.LOADING)], ("cloud", 4, LATE, False, False)),
        ([Waiting(Phase.QUEUED), SENT], ("cloud", 4, LATE, True, True)),
    ],
)
@pytest.mark.parametrize("call", [unary, stream])
async def test_a_deadline_says_what_was_tried_and_what_ran_when_it_passed(
    call: Callable[[Assembled], Awaitable[Ended]],
    steps: list[Step],
    last: tuple[str, int, str, bool, bool],
) -> None:
    local, cloud = provider_of(), cloud_of(*steps, Gate(), done())
    async with assembled(local, cloud, chat_s=0.2, stream_s=0.2) as service:
        failure = (await call(service)).failure
        await settled(service, cloud)
    assert failure is not None

    assert [("ollama", 4, LATE, False, False), last] == attempts_of(failure)
    assert not failure.detail(llm_pb2.RouteInfo).provider
    assert -1 == failure.pushback_ms


async def test_the_attempts_before_the_one_that_ran_keep_their_own_outcome() -> None:
    local, cloud = (
        provider_of(SENT, ProviderError(ErrorKind.PROTOCOL)),
        cloud_of(SENT, Gate(), done()),
    )
    async with assembled(local, cloud, stream_s=1.3) as service:
        failure = (await stream(service)).failure
        await settled(service, cloud)
    assert failure is not None

    assert [
        ("ollama", 13, "PROVIDER_PROTOCOL", True, True),
        ("cloud", 4, LATE, True, True),
    ] == attempts_of(failure)
    assert re.match(r"ollama/.*;PROVIDER_PROTOCOL;\d+,cloud/.*;TIME_LIMIT", failure.route)


async def test_before_any_target_is_asked_a_deadline_says_nothing_of_targets() -> None:
    provider = provider_of(Gate(), done())
    async with assembled(provider, chat_s=0.2) as service:
        failure = (await unary(service)).failure
        await settled(service, provider)
    assert failure is not None

    assert not [one for one in failure.details if isinstance(one, llm_pb2.RouteInfo)]


async def test_the_callers_deadline_in_mid_stream_says_who_was_answering() -> None:
    provider = provider_of(SENT, Delta("a"), Gate(), done())
    async with assembled(provider) as service:
        failure = (await stream(service, timeout_s=0.6)).failure
        await settled(service, provider)
    assert failure is not None

    assert [("ollama", 4, LATE, True, True)] == attempts_of(failure)
    assert ("ollama", MODEL) == (
        failure.detail(llm_pb2.RouteInfo).provider,
        failure.detail(llm_pb2.RouteInfo).model,
    )


@pytest.mark.parametrize(
    ("phase", "pushback_ms"), [(Phase.PROVIDER, -1), (Phase.QUEUED, 100), (Phase.LOADING, 100)]
)
async def test_a_drain_forbids_a_retry_only_of_what_a_provider_was_sent(
    phase: Phase, pushback_ms: int
) -> None:
    gate = Gate()
    provider = provider_of(Waiting(phase), gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(unary(service))
        await gate.reached()
        service.in_flight.expire()
        failure = (await call).failure
        await settled(service, provider)
    assert failure is not None

    assert ("SERVER_DRAINING", pushback_ms) == (failure.reason, failure.pushback_ms)
    assert [
        ("ollama", 14, "SERVER_DRAINING", phase is Phase.PROVIDER, phase is Phase.PROVIDER)
    ] == attempts_of(failure)


async def test_an_interrupted_stream_says_what_of_it_was_used() -> None:
    gate = Gate()
    provider = provider_of(SENT, Delta("0123456789"), gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(stream(service))
        await gate.reached()
        service.in_flight.expire()
        failure = (await call).failure
        await settled(service, provider)
        (report,) = service.reporter.rpcs
    assert failure is not None
    assert report.usage is not None
    usage = failure.detail(llm_pb2.Usage)

    assert 1 <= usage.output_tokens <= 10
    assert llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED == usage.output_method
    assert not usage.HasField("input_tokens")
    assert [("ollama", 10, "STREAM_INTERRUPTED", True, True)] == attempts_of(failure)
    assert (usage.output_tokens, 1) == (report.usage.output_tokens, report.attempts)


async def test_a_defect_says_whom_it_hit() -> None:
    async with assembled(provider_of(SENT, ValueError("secret"))) as service:
        failure = (await unary(service)).failure
    assert failure is not None

    assert [("ollama", 13, "INTERNAL_ERROR", True, True)] == attempts_of(failure)
    assert -1 == failure.pushback_ms


async def test_a_wait_in_mid_answer_is_no_part_of_it() -> None:
    provider = provider_of(SENT, Delta("a"), Waiting(Phase.PROVIDER), Delta("b"), done())
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message(), timeout=20)
        events = await rest_of(call)
        answer = await service.stub.Chat(chat_message(), timeout=20)

    assert ["started", "delta", "delta", "completed"] == events
    assert "ab" == answer.message.parts[0].text


async def test_progress_is_sent_in_silence_and_only_on_request() -> None:
    loading, writing = Gate(), Gate()
    provider = provider_of(Waiting(Phase.LOADING), loading, Delta("a"), writing, Delta("b"), done())
    request = chat_message()
    request.stream_options.progress_interval.FromSeconds(1)
    async with assembled(provider) as service:
        call = service.stub.ChatStream(request, metadata=ID, timeout=20)
        first = await call.read()
        headers = {key: str(value) for key, value in await call.initial_metadata()}
        loading.open()
        events = [await event_of(call), await event_of(call)]
        second = await call.read()
        writing.open()
        rest = await rest_of(call)
        await settled(service, provider)
    assert isinstance(first, llm_pb2.ChatStreamResponse)
    assert isinstance(second, llm_pb2.ChatStreamResponse)
    target = llm_pb2.RouteTarget(provider="ollama", model=MODEL)

    assert (llm_pb2.StreamProgress.PHASE_LOADING_MODEL, target) == (
        first.progress.phase,
        first.progress.target,
    )
    assert first.progress.elapsed_duration.ToNanoseconds() >= 900_000_000
    assert {"x-request-id", "x-llmsvc-deadline-ms"} <= headers.keys()
    assert "x-llmsvc-provider" not in headers
    assert ["started", "delta"] == events
    assert (llm_pb2.StreamProgress.PHASE_GENERATING, target) == (
        second.progress.phase,
        second.progress.target,
    )
    assert ["delta", "completed"] == rest


async def test_a_failure_after_a_sign_of_life_is_told_like_any_other() -> None:
    gate = Gate()
    provider = provider_of(gate, ProviderError(ErrorKind.SATURATED))
    request = chat_message()
    request.stream_options.progress_interval.FromSeconds(1)
    async with assembled(provider) as service:
        call = service.stub.ChatStream(request, timeout=20)
        event = await event_of(call)
        gate.open()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await rest_of(call)
        await settled(service, provider)

    assert "progress" == event
    assert ("RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED", -1) == (
        told(failed.value).code,
        told(failed.value).reason,
        told(failed.value).pushback_ms,
    )


async def test_a_caller_that_leaves_a_silent_stream_leaves_nothing() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    request = chat_message()
    request.stream_options.progress_interval.FromSeconds(1)
    async with assembled(provider) as service:
        call = service.stub.ChatStream(request, timeout=20)
        event = await event_of(call)
        call.cancel()
        await settled(service, provider)

    assert "progress" == event
    assert provider.calls[0].left
