"""What `llmsvc chat` says of a failover, over a real server that follows a script."""

import io
import json
from collections.abc import AsyncGenerator

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.cli.chat import chat
from llmsvc_client.cli.output import Output, Remarks
from llmsvc_client.cli.session import Session
from tests.fakes.llmsvc_command import Ended, run
from tests.fakes.scripted_answers import (
    attempt,
    completed,
    piece,
    progress,
    response,
    rich,
    route,
    started,
)
from tests.fakes.scripted_service import ScriptedService

REMOTE = llm_pb2.LOCALITY_REMOTE
REFUSED = attempt("ollama", "PROVIDER_UNREACHABLE", code=14, milliseconds=3)
ANSWERED = attempt("openai", milliseconds=800, content_sent=True, locality=REMOTE)
FALLEN_OVER = route("openai", llm_pb2.PROVIDER_KIND_OPENAI, REFUSED, ANSWERED, locality=REMOTE)
HELLO = [started(FALLEN_OVER), piece("Hello"), completed(route_info=FALLEN_OVER)]
SUMMARY = (
    "REMOTE ANSWER: phi3:mini, openai (remote), 12 tokens read, 34 written, complete"
    " (request req-1)"
)
TRIED = [
    (
        "attempt 1: ollama/phi3:mini (local): failed, UNAVAILABLE PROVIDER_UNREACHABLE, 3 ms,"
        " no content sent"
    ),
    "attempt 2: openai/phi3:mini (remote): answered, 800 ms, content sent",
    "privacy: cloud_allowed",
]
ALL_FAILED = rich(
    grpc.StatusCode.UNAVAILABLE,
    "ALL_TARGETS_FAILED",
    llm_pb2.RouteInfo(attempts=[REFUSED], effective_privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY),
    metadata={"failoverBlocked": "privacy"},
    pushback_ms=-1,
)


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService(scripts=[HELLO]) as service:
        yield service


async def asked(service: ScriptedService, *, as_json: bool = False, verbose: bool = True) -> Ended:
    """Run the command in this process, without its parser."""
    out, err = io.BytesIO(), io.StringIO()
    session = Session(
        as_json=as_json,
        verbose=verbose,
        output=Output(io.TextIOWrapper(out)),
        remarks=Remarks(err),
    )
    code = await session.run(service.address, lambda client: chat(client, "hi", {}, session))
    return Ended(code, out.getvalue().decode(), err.getvalue())


async def test_a_remote_answer_is_marked_in_the_last_line(service: ScriptedService) -> None:
    assert Ended(0, "Hello\n", SUMMARY + "\n") == await asked(service, verbose=False)


async def test_the_receipt_stands_before_the_last_line(service: ScriptedService) -> None:
    result = await asked(service)

    assert (0, "Hello\n") == (result.code, result.out)
    assert [
        *TRIED,
        "tokens: 12 read, 34 written",
        "time: unknown",
        SUMMARY,
    ] == result.err.splitlines()


async def test_content_that_left_in_vain_is_said_without_asking(service: ScriptedService) -> None:
    in_vain = attempt("openai", "PROVIDER_ERROR", code=14, content_sent=True, locality=REMOTE)
    at_home = route(
        "ollama", llm_pb2.PROVIDER_KIND_OLLAMA, in_vain, attempt("ollama", milliseconds=5)
    )
    service.scripts = [[started(at_home), piece("a"), completed(route_info=at_home)]]

    result = await asked(service, verbose=False)

    assert "the content was also sent to openai/phi3:mini" in result.err


async def test_signs_of_life_are_said_until_the_answer_begins(service: ScriptedService) -> None:
    loading = progress(llm_pb2.StreamProgress.PHASE_LOADING_MODEL, 5, "ollama")
    generating = progress(llm_pb2.StreamProgress.PHASE_GENERATING, 15, "ollama")
    service.scripts = [[loading, *HELLO[:2], generating, HELLO[2]]]

    result = await asked(service)

    assert "Hello\n" == result.out
    assert ["the model is being loaded, ollama/phi3:mini, 5 s", TRIED[0]] == (
        result.err.splitlines()[:2]
    )
    assert "the answer goes on" not in result.err


async def test_a_failure_has_its_receipt_too(service: ScriptedService) -> None:
    service.scripts = [[ALL_FAILED]]

    result = await asked(service)

    assert (3, "") == (result.code, result.out)
    assert [
        TRIED[0],
        "privacy: local_only",
        (
            "llmsvc: A sentence about ALL_TARGETS_FAILED. The privacy policy kept further targets"
            " away. [UNAVAILABLE ALL_TARGETS_FAILED, request req-1]"
        ),
    ] == result.err.splitlines()


@pytest.mark.parametrize("verbose", [False, True])
async def test_json_holds_the_same_facts(
    service: ScriptedService,
    verbose: bool,  # noqa: FBT001  a table
) -> None:
    service.scripts = [[response("Hello", route_info=FALLEN_OVER)], [ALL_FAILED]]

    answer = await asked(service, as_json=True, verbose=verbose)
    failure = await asked(service, as_json=True, verbose=verbose)

    assert ("", "") == (answer.err, failure.out)
    assert ["ollama", "openai"] == [
        each["target"]["provider"] for each in json.loads(answer.out)["route"]["attempts"]
    ]
    assert ["ERROR_REASON_PROVIDER_UNREACHABLE"] == [
        each["reason"] for each in json.loads(failure.err)["error"]["route"]["attempts"]
    ]


async def test_the_options_say_where_the_request_may_go(service: ScriptedService) -> None:
    targets = ["--target", "ollama", "--target", "hub/org/model:tag"]

    await run(
        "chat", "hi", "-v", "--local-only", "--no-fallback", *targets, address=service.address
    )

    request = service.calls[0].request
    assert (
        llm_pb2.RoutingPolicy(
            privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
            targets=[
                llm_pb2.RouteTarget(provider="ollama"),
                llm_pb2.RouteTarget(provider="hub", model="org/model:tag"),
            ],
            fallback_disabled=True,
        )
        == request.routing_policy
    )
    assert request.stream_options.HasField("progress_interval")


async def test_without_options_the_server_decides(service: ScriptedService) -> None:
    await run("chat", "hi", address=service.address)

    request = service.calls[0].request
    assert not request.HasField("routing_policy")
    assert not request.HasField("stream_options")


async def test_a_target_that_names_nothing_is_wrong_usage(service: ScriptedService) -> None:
    result = await run("chat", "hi", "--target", "/", address=service.address)

    assert (2, []) == (result.code, service.calls)
    assert "write PROVIDER or PROVIDER/MODEL" in result.err
