"""A prompt, a key and an answer that an upstream echoes wherever it can appear nowhere of ours."""

import io
import json
from collections.abc import Iterator

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.observability.log_sink import LogSink
from llmsvc_server.observability.logging import logging_to
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService
from tests.fakes.tool_requests import asked, called, resulted
from tests.scenarios.protocols import KEY, Protocol
from tests.scenarios.stage import Stage, staged
from tests.scenarios.steps import Begin, Cut, End, Frame, Marker, Raw, Refuse, Say, Turn

PROMPT = "canary-prompt-7f3a"
ANSWER = "canary-answer-91bc"
SHORT_S = 3.0
"""Too short for a rate limit to be waited out."""

CANARIES = (PROMPT, ANSWER, KEY)
ECHO = f"{PROMPT} {ANSWER} {KEY}"
HEADERS = {
    "x-request-id": ECHO,
    "request-id": ECHO,
    "retry-after": ECHO,
    "x-anything": ECHO,
    "location": f"http://example.org/{PROMPT}",
}
DOCUMENT = {
    "error": {
        "message": ECHO,
        "type": ECHO,
        "code": ECHO,
        "param": ECHO,
        "innererror": {"code": ECHO, "content_filter_result": {"text": ECHO}},
        "metadata": {"flagged_input": ECHO, "raw": ECHO},
        "details": {"error_code": ECHO},
        "failed_generation": ECHO,
    },
    "type": ECHO,
    "request_id": ECHO,
    "signin_url": ECHO,
}
OLLAMAS = {"error": ECHO, "StatusCode": 500, "Status": ECHO}
STATUSES = (301, 400, 401, 402, 403, 404, 409, 413, 422, 429, 498, 500, 503, 529, 599)


SCHEMA = json.dumps(
    {
        "description": PROMPT,
        "type": "object",
        "properties": {PROMPT: {"enum": [PROMPT]}},
        "required": [PROMPT],
    }
)


def with_tools() -> llm_pb2.ChatRequest:
    """Return a request that says the canary wherever tools, calls and results let it."""
    request = asked(called(arguments=json.dumps({"city": PROMPT})), resulted(content=PROMPT))
    request.tools[0].function.description = PROMPT
    request.tools[0].function.parameters_json_schema = SCHEMA
    request.tools[0].function.conformance_required = True
    return request


def with_format() -> llm_pb2.ChatRequest:
    """Return a request for JSON of a schema that says the canary."""
    request = chat_message(PROMPT)
    shape = request.response_format.json_schema
    shape.name, shape.schema_json, shape.conformance_required = "shape", SCHEMA, True
    return request


def with_refusal() -> llm_pb2.ChatRequest:
    """Return a request whose model declined before, in words that say the canary."""
    request = chat_message(PROMPT)
    declined = llm_pb2.ContentPart(refusal=PROMPT)
    request.messages.add(role=llm_pb2.ROLE_ASSISTANT, parts=[declined])
    request.messages.append(request.messages[0])
    return request


REQUESTS = {
    "text": chat_message(PROMPT),
    "tools": with_tools(),
    "format": with_format(),
    "refusal": with_refusal(),
}


def turns(protocol: Protocol) -> Iterator[Turn]:
    """Yield everything that an upstream may say about what it was sent."""
    for document in (DOCUMENT, OLLAMAS, {"error": ECHO}):
        body = json.dumps(document).encode()
        for status in STATUSES:
            yield [Refuse(status, body, HEADERS)]
        event = body + b"\n" if protocol is Protocol.OLLAMA else b"data: " + body + b"\n\n"
        yield [Raw(event), Cut()]
        yield [Begin(), Say(ANSWER), Raw(event), Cut()]
    yield [Raw(ECHO.encode() + b"\n\n"), Cut()]
    yield [Begin(), Say(ANSWER), Cut()]
    yield [Begin(), Say(ANSWER), Marker(), Frame(), End()]  # no JSON, and no call
    other = json.dumps({PROMPT: ANSWER})  # no value that the schema allows
    yield [Begin(), Say(other), Marker(), Frame(), End()]


async def everything_told(stage: Stage, request: llm_pb2.ChatRequest) -> str:
    """Ask once each way; return all that the callers are told, details and trailers included."""
    told: list[str] = []
    stub = stage.service.stub
    unary = stub.Chat(request, timeout=SHORT_S)
    stream = stub.ChatStream(request, timeout=SHORT_S)

    async def read() -> None:
        async for event in stream:
            # The answer itself is the caller's; everything around it must not hold it.
            event.ClearField("delta")
            told.append(str(event))

    for running, ended in ((unary, unary), (stream, read())):
        try:
            await ended
        except grpc.aio.AioRpcError as error:
            told += [str(error.code()), str(error.details()), str(error.debug_error_string())]
            told += [repr(list(error.trailing_metadata()))]
        told += [repr(list(await running.initial_metadata()))]
        told += [repr(list(await running.trailing_metadata()))]
    return "\n".join(told)


def logged(service: RunningService) -> str:
    """Return every log line of the reports so far, at the most talkative level, and their reprs."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw)
    reporter = service.reporter
    with logging_to(stream, level="debug", as_json=True) as logger:
        sink = LogSink(logger)
        for attempt in reporter.finished:
            sink.attempt_finished(attempt)
        for change in reporter.changes:
            sink.changed(change)
        for report in reporter.rpcs:
            sink.rpc_finished(report)
    seen = [repr(reporter.rpcs), repr(reporter.finished), repr(reporter.changes)]
    seen += [repr(vars(attempt.error)) for attempt in reporter.attempts]
    seen += [repr(attempt.error) + str(attempt.error) for attempt in reporter.attempts]
    return raw.getvalue().decode() + "\n".join(seen)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_nothing_that_an_upstream_echoes_is_passed_on(
    protocol: Protocol, request_: llm_pb2.ChatRequest
) -> None:
    async with staged(protocol, alone=True, stands_still=True) as stage:
        for turn in turns(protocol):
            stage.clock.advance(1e6)  # nothing of the turn before holds calls back
            await eventually(lambda: stage.lists_model)
            stage.primary.always(turn)
            before = len(stage.primary.chats)
            said = await everything_told(stage, request_)

            assert len(stage.primary.chats) > before, turn
            assert [] == [canary for canary in CANARIES if canary in said], turn
        said = logged(stage.service)

    assert [] == [canary for canary in CANARIES if canary in said]


@pytest.fixture(params=list(Protocol), ids=str)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Whose wire the upstream speaks."""
    value: Protocol = request.param
    return value
