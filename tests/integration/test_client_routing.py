"""Where a request may go, and where it went, over a real server that follows a script."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    Client,
    LlmsvcError,
    Locality,
    NotFoundError,
    OverloadedError,
    PreconditionError,
    Privacy,
    StreamInterruptedError,
    Target,
    UnavailableError,
)
from tests.fakes.scripted_answers import (
    Failing,
    attempt,
    completed,
    piece,
    response,
    rich,
    route,
    started,
)
from tests.fakes.scripted_service import ScriptedService

TARGETS = (Target("ollama", "phi3:mini"), Target("openai"))
POLICY = llm_pb2.RoutingPolicy(
    privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
    targets=[
        llm_pb2.RouteTarget(provider="ollama", model="phi3:mini"),
        llm_pb2.RouteTarget(provider="openai"),
    ],
    fallback_disabled=True,
)
REMOTE = llm_pb2.LOCALITY_REMOTE
REFUSED = attempt("ollama", "PROVIDER_UNREACHABLE", code=14, milliseconds=3)
ANSWERED = attempt("openai", milliseconds=800, content_sent=True, locality=REMOTE)
FALLEN_OVER = route("openai", llm_pb2.PROVIDER_KIND_OPENAI, REFUSED, ANSWERED, locality=REMOTE)


async def test_chat_and_stream_send_where_the_request_may_go(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("Hello")], [started(), completed()]]

    await client.chat("hi", privacy=Privacy.LOCAL_ONLY, targets=TARGETS, fallback=False)
    async with client.stream(
        "hi", privacy=Privacy.LOCAL_ONLY, targets=TARGETS, fallback=False
    ) as stream:
        _ = [item async for item in stream]

    assert [POLICY, POLICY] == [call.request.routing_policy for call in service.calls]


async def test_the_blocking_client_sends_the_same(service: ScriptedService) -> None:
    service.scripts = [[response("Hello")], [started(), completed()]]

    def ask() -> None:
        with BlockingClient(service.address) as client:
            client.chat("hi", privacy=Privacy.LOCAL_ONLY, targets=TARGETS, fallback=False)
            with client.stream(
                "hi", privacy=Privacy.LOCAL_ONLY, targets=TARGETS, fallback=False
            ) as stream:
                _ = list(stream)

    await asyncio.to_thread(ask)

    assert [POLICY, POLICY] == [call.request.routing_policy for call in service.calls]


async def test_an_answer_tells_what_was_tried_before(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("Hello", route_info=FALLEN_OVER)]]

    found = (await client.chat("hi")).route

    assert Privacy.CLOUD_ALLOWED is found.privacy
    assert [
        ("ollama", Locality.LOCAL, "UNAVAILABLE", "PROVIDER_UNREACHABLE", 0.003, False),
        ("openai", Locality.REMOTE, "OK", "", 0.8, True),
    ] == [
        (each.provider, each.locality, each.code, each.reason, each.elapsed_s, each.content_sent)
        for each in found.attempts
    ]


async def test_a_stream_tells_what_was_tried_with_its_first_piece(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(FALLEN_OVER), piece("a"), completed(route_info=FALLEN_OVER)]]

    async with client.stream("hi") as stream:
        await anext(stream)

        assert stream.route is not None
        assert ["ollama", "openai"] == [each.provider for each in stream.route.attempts]


async def test_a_failure_tells_what_was_tried(service: ScriptedService, client: Client) -> None:
    tried = llm_pb2.RouteInfo(
        attempts=[REFUSED], effective_privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY
    )
    blocked = {"failoverBlocked": "privacy"}
    service.scripts = [
        [
            rich(
                grpc.StatusCode.UNAVAILABLE,
                "PROVIDER_UNREACHABLE",
                tried,
                metadata=blocked,
                pushback_ms=-1,
            )
        ]
    ]

    with pytest.raises(UnavailableError) as caught:
        await client.chat("hi")

    error = caught.value
    assert [("ollama", False)] == [(each.provider, each.content_sent) for each in error.attempts]
    assert "privacy" == error.failover_blocked
    assert error.route is not None
    assert ("", Privacy.LOCAL_ONLY) == (error.route.provider, error.route.privacy)
    assert 1 == len(service.calls)


async def test_an_interruption_without_details_keeps_the_route_of_its_start(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(FALLEN_OVER), piece("a")]]

    with pytest.raises(StreamInterruptedError) as caught:
        async with client.stream("hi") as stream:
            _ = [item async for item in stream]

    assert stream.route == caught.value.route
    assert ["ollama", "openai"] == [each.provider for each in caught.value.attempts]


@pytest.mark.parametrize(
    ("failing", "kind", "cause"),
    [
        (rich(grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND"), NotFoundError, ""),
        (
            rich(
                grpc.StatusCode.FAILED_PRECONDITION,
                "ROUTE_FORBIDDEN",
                error_details_pb2.PreconditionFailure(),
                metadata={"cause": "operator"},
            ),
            PreconditionError,
            "operator",
        ),
        (
            rich(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "PROVIDER_QUOTA_EXHAUSTED",
                error_details_pb2.QuotaFailure(),
            ),
            OverloadedError,
            "",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_a_refusal_that_waiting_does_not_mend_is_not_retryable(
    service: ScriptedService,
    client: Client,
    failing: Failing,
    kind: type[LlmsvcError],
    cause: str,
) -> None:
    service.scripts = [[failing]]

    with pytest.raises(kind) as caught:
        await client.chat("hi")

    assert (cause, False) == (caught.value.cause, caught.value.retryable)
