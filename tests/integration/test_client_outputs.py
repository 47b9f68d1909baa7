"""What `llmsvc chat` says on its two outputs, over a real server that follows a script."""

import io
import json
from collections.abc import AsyncGenerator

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_client.cli.chat import chat
from llmsvc_client.cli.output import Output, Remarks
from llmsvc_client.cli.session import Session
from tests.fakes.llmsvc_command import Ended
from tests.fakes.scripted_answers import Failing, completed, piece, response, rich, route, started
from tests.fakes.scripted_service import ScriptedService

HELLO = [started(), piece("Hel"), piece("lo"), completed()]
SUMMARY = "phi3:mini, ollama (local), 12 tokens read, 34 written, complete (request req-1)\n"


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService(scripts=[HELLO]) as service:
        yield service


async def asked(service: ScriptedService, *, as_json: bool = False, verbose: bool = False) -> Ended:
    """Run the command in this process, without its parser."""
    out, err = io.BytesIO(), io.StringIO()
    session = Session(
        as_json=as_json, verbose=verbose, output=Output(io.TextIOWrapper(out)), remarks=Remarks(err)
    )
    code = await session.run(service.address, lambda client: chat(client, "hi", {}, session))
    return Ended(code, out.getvalue().decode(), err.getvalue())


async def test_the_answer_goes_to_stdout_and_the_rest_to_stderr(service: ScriptedService) -> None:
    assert Ended(0, "Hello\n", SUMMARY) == await asked(service)


async def test_an_answer_with_a_newline_gets_no_other(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("a\n"), completed()]]

    assert "a\n" == (await asked(service)).out


async def test_a_pipe_gets_the_answer_as_it_is(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("\x1b[31mrot\x07\r\n"), completed()]]

    assert "\x1b[31mrot\x07\r\n" == (await asked(service)).out


async def test_a_mock_answer_says_so_loudly(service: ScriptedService) -> None:
    mock = route("mock", llm_pb2.PROVIDER_KIND_MOCK)
    service.scripts = [[started(mock), piece("canned"), completed(route_info=mock)]]

    result = await asked(service)

    assert result.err.startswith("CANNED ANSWER: no model ran")


async def test_what_was_not_run_as_asked_is_said(service: ScriptedService) -> None:
    clamped = llm_pb2.Adjustment(
        field="generation_config.max_output_tokens",
        action=llm_pb2.Adjustment.ACTION_CLAMPED,
        description="Brought down to 8192.",
    )
    service.scripts = [[started(), piece("a"), completed(clamped)]]

    result = await asked(service)

    assert "clamped: generation_config.max_output_tokens: Brought down to 8192.\n" + SUMMARY == (
        result.err
    )


async def test_json_is_the_contracts_response(service: ScriptedService) -> None:
    service.scripts = [[response("Hello\x1b")]]

    result = await asked(service, as_json=True)

    answer = json.loads(result.out)
    assert (0, "", 1) == (result.code, result.err, result.out.count("\n"))
    assert {"role": "ROLE_ASSISTANT", "parts": [{"text": "Hello\x1b"}]} == answer["message"]
    assert "phi3:mini" == answer["route"]["model"]


OVERLOADED = rich(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "SERVER_OVERLOADED",
    error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2)),
)


async def test_a_failure_says_what_to_do_on_one_line(service: ScriptedService) -> None:
    service.scripts = [[OVERLOADED]]

    result = await asked(service)

    assert (
        Ended(
            3,
            "",
            "llmsvc: A sentence about SERVER_OVERLOADED. Try again in 2 s."
            " [RESOURCE_EXHAUSTED SERVER_OVERLOADED, request req-1]\n",
        )
        == result
    )


async def test_a_failure_as_json_goes_to_stderr(service: ScriptedService) -> None:
    service.scripts = [[OVERLOADED]]

    result = await asked(service, as_json=True)

    assert (3, "") == (result.code, result.out)
    assert {
        "error": {
            "code": "RESOURCE_EXHAUSTED",
            "reason": "SERVER_OVERLOADED",
            "message": "A sentence about SERVER_OVERLOADED.",
            "requestId": "req-1",
            "retryable": True,
            "retryAfterSeconds": 2,
        }
    } == json.loads(result.err)


async def test_a_refusal_ends_with_1(service: ScriptedService) -> None:
    service.scripts = [[Failing(grpc.StatusCode.FAILED_PRECONDITION)]]

    result = await asked(service)

    assert (1, "", 1) == (result.code, result.out, result.err.count("\n"))


async def test_a_cancel_from_the_other_side_ends_as_an_unreachable_server_does(
    service: ScriptedService,
) -> None:
    service.scripts = [[Failing(grpc.StatusCode.CANCELLED)]]

    result = await asked(service)

    assert (3, "", 1) == (result.code, result.out, result.err.count("\n"))
    assert "[UNAVAILABLE]" in result.err


async def test_an_answer_that_breaks_off_ends_with_5(service: ScriptedService) -> None:
    interrupted = rich(grpc.StatusCode.ABORTED, "STREAM_INTERRUPTED", pushback_ms=-1)
    service.scripts = [[started(), piece("half an ans"), interrupted]]

    result = await asked(service)

    assert (5, "half an ans\n") == (result.code, result.out)
    assert "not the whole answer" in result.err
