"""grpcurl, without any file of the contract: reflection tells it everything."""

import json
import re

import pytest

from tests.interop.examples import ADDRESS
from tests.interop.programs import ROOT, SEARCHED, program
from tests.interop.running import Ran, run

pytestmark = pytest.mark.interop

HI = '{"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]}'
INVALID_ARGUMENT = 64 + 3  # grpcurl exits with 64 and the code


async def grpcurl(*arguments: str) -> Ran:
    return await run(program("grpcurl"), "-plaintext", *arguments)


async def test_list_names_what_is_served(mocked: str) -> None:
    listed = await grpcurl(mocked, "list")

    assert listed.out.split() == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "llmsvc.v1.LLMService",
    ]


async def test_everything_listed_can_be_described(mocked: str) -> None:
    described = await grpcurl(mocked, "describe")

    assert 0 == described.code, described.err
    assert 4 == described.out.count(" is a service:")


@pytest.mark.parametrize(
    ("symbol", "comment", "declaration"),
    [
        ("llmsvc.v1.LLMService", "// Generation.", "rpc Chat ("),
        ("llmsvc.v1.ChatRequest", "// Model or alias to run.", "string model = 1;"),
        (
            "llmsvc.v1.ContentPart",
            "// Text with which the model declined.",
            "string refusal = 6;",
        ),
        ("llmsvc.v1.PartDelta", "// Text of a refusal.", "string refusal = 5;"),
        ("llmsvc.v1.FinishReason", "// The context window is full.", "_CONTEXT_LENGTH = 4;"),
        ("llmsvc.v1.LLMService.ChatStream", "//", "stream .llmsvc.v1.ChatStreamResponse"),
    ],
)
async def test_describe_shows_comments(
    mocked: str, symbol: str, comment: str, declaration: str
) -> None:
    described = await grpcurl(mocked, "describe", symbol)

    assert comment in described.out
    assert declaration in described.out


async def test_chat_is_answered(mocked: str) -> None:
    answered = await grpcurl("-d", HI, mocked, "llmsvc.v1.LLMService/Chat")
    answer = json.loads(answered.out)

    assert answer["message"]["parts"][0]["text"].startswith("CANNED ANSWER")
    assert "PROVIDER_KIND_MOCK" == answer["route"]["providerKind"]


async def test_a_refusal_and_an_empty_answer_can_be_sent_back(mocked: str) -> None:
    question = json.loads(HI)["messages"][0]
    declined = {"role": "ROLE_ASSISTANT", "parts": [{"refusal": "I can't."}]}
    turns = [question, declined, question, {"role": "ROLE_ASSISTANT"}, question]
    request = json.dumps({"messages": turns})
    answered = await grpcurl("-d", request, mocked, "llmsvc.v1.LLMService/Chat")

    assert "5 messages" in json.loads(answered.out)["message"]["parts"][0]["text"]


async def test_a_stream_comes_event_by_event(mocked: str) -> None:
    answered = await grpcurl("-d", HI, mocked, "llmsvc.v1.LLMService/ChatStream")
    decoder, rest, events = json.JSONDecoder(), answered.out.strip(), []
    while rest:
        event, length = decoder.raw_decode(rest)
        events.append(event)
        rest = rest[length:].strip()
    first, *deltas, last = events

    assert "mock" == first["started"]["route"]["provider"]
    assert "".join(event["delta"]["text"] for event in deltas).startswith("CANNED ANSWER")
    assert "FINISH_REASON_STOP" == last["completed"]["finishReason"]


async def test_a_request_id_comes_back(mocked: str) -> None:
    header = ("-H", "x-request-id: demo-1")
    answered = await grpcurl(*header, "-d", HI, mocked, "llmsvc.v1.LLMService/Chat")

    assert "demo-1" == json.loads(answered.out)["requestId"]


async def test_an_error_shows_its_details_in_words(mocked: str) -> None:
    wrong = '{"generationConfig": {"temperature": 3}}'
    refused = await grpcurl("-d", wrong, mocked, "llmsvc.v1.LLMService/Chat")

    assert INVALID_ARGUMENT == refused.code
    for part in (
        "Code: InvalidArgument",
        "google.rpc.ErrorInfo",
        '"reason": "INVALID_REQUEST"',
        "google.rpc.BadRequest",
        '"field": "generation_config.temperature"',
        '"reason": "OUT_OF_RANGE"',
        '"field": "messages"',
        '"reason": "MISSING"',
    ):
        assert part in refused.err


async def test_the_contract_as_a_file_does_as_well(mocked: str) -> None:
    contract = ("-import-path", "protos", "-proto", "llmsvc/v1/llm.proto")
    answered = await grpcurl(*contract, "-d", HI, mocked, "llmsvc.v1.LLMService/Chat")

    assert "CANNED ANSWER" in answered.out


@pytest.mark.parametrize(("name", "state"), [("readiness", "SERVING"), ("liveness", "SERVING")])
async def test_health_is_told(mocked: str, name: str, state: str) -> None:
    asked = await grpcurl(
        "-d", json.dumps({"service": name}), mocked, "grpc.health.v1.Health/Check"
    )

    assert {"status": state} == json.loads(asked.out)


async def test_health_lists_its_names(mocked: str) -> None:
    asked = await grpcurl(mocked, "grpc.health.v1.Health/List")

    assert {
        "",
        "liveness",
        "readiness",
        "llmsvc.v1.LLMService",
        "provider/mock",
        "model/mock",
    } == set(json.loads(asked.out)["statuses"])


async def test_what_the_page_about_tools_shows_is_answered_with_a_call(mocked: str) -> None:
    program("grpcurl")
    page = (ROOT / "docs/tools.md").read_text("utf-8")
    shown = re.search(r"tools-grpcurl -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown
    code = shown[1].replace(ADDRESS, mocked)
    answered = await run("bash", "-euc", code, environment={"PATH": SEARCHED})

    assert 0 == answered.code, answered.err
    assert '"name": "get_weather"' in answered.out
    assert "FINISH_REASON_TOOL_CALLS" in answered.out
