"""Refusals, and answers that say nothing, as users of the client and of the command have them."""

import asyncio
import json
from pathlib import Path

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    Client,
    FinishReason,
    Message,
    NonconformingError,
    Piece,
    Refusal,
    RefusalPiece,
    ResponseFormat,
    Role,
    user,
)
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.llmsvc_command import run
from tests.fakes.ollama_record import Json
from tests.fakes.openai_steps import Script, done, finish, piece, token, usage
from tests.fakes.running_service import running_service
from tests.fakes.scripted_answers import completed, response, started
from tests.fakes.scripted_service import ScriptedService

MODEL = "llama-3"
END: Script = (finish("stop"), usage(), done())
DECLINES: Script = (piece({"refusal": "I can't"}), piece({"refusal": " do that."}), END)
NO = Refusal("I can't do that.")
FORMAT = ResponseFormat({"type": "object", "required": ["age"]})


def over(fake: FakeOpenai) -> Json:
    entry = {"kind": "openai", "base_url": fake.base_url, "local": True, "model": MODEL}
    return {"providers": {"vllm": entry}, "default_provider": "vllm"}


async def test_a_refusal_is_no_text_and_goes_back_as_it_came() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        running_service(over(fake)) as service,
        Client(service.address) as client,
    ):
        fake.will(token("Well."), DECLINES)
        reply = await client.chat("Pick a lock.")
        again = await client.chat([user("Pick a lock."), reply.message, user("Why?")])

    assert (FinishReason.REFUSAL, "Well.", NO.text) == (
        reply.finish_reason,
        reply.text,
        reply.refusal,
    )
    assert ("Well.", NO) == reply.message.parts
    assert (fake.answer, "") == (again.text, again.refusal)
    assert "Well.I can't do that." == json.loads(fake.chats[-1].body)["messages"][1]["content"]
    assert "can't" not in repr(reply) + repr(reply.message.parts)


async def test_a_stream_tells_it_apart_too() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        running_service(over(fake)) as service,
        Client(service.address) as client,
    ):
        fake.will(token("Well."), DECLINES)
        async with client.stream("Pick a lock.") as stream:
            items = [item async for item in stream]
        await client.chat([user("Pick a lock."), stream.reply.message, user("Why?")])

    assert {"Well.", ""} == {item.text for item in items}
    assert ["Well."] == [item.text for item in items if isinstance(item, Piece)]
    words = [item.refusal for item in items if isinstance(item, RefusalPiece)]
    assert NO.text == "".join(words)
    assert ("Well.", NO) == stream.reply.message.parts
    assert (stream.text, NO.text) == ("Well.", stream.reply.refusal)
    assert "can't" not in repr(items)


async def test_the_blocking_client_does_the_same() -> None:
    def ask(address: str) -> tuple[str, set[str], str]:
        with BlockingClient(address) as client:
            whole = client.chat("Pick a lock.").refusal
            with client.stream("Pick a lock.") as stream:
                texts = {item.text for item in stream}
            return whole, texts, stream.reply.refusal

    async with FakeOpenai(models=(MODEL,)) as fake, running_service(over(fake)) as service:
        fake.will(DECLINES, times=2)
        assert (NO.text, {""}, NO.text) == await asyncio.to_thread(ask, service.address)


async def test_a_refusal_is_not_parsed() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        running_service(over(fake)) as service,
        Client(service.address) as client,
    ):
        fake.will(DECLINES)
        reply = await client.chat("Ada is 36", response_format=FORMAT)

    with pytest.raises(NonconformingError, match="is a refusal"):
        reply.parsed()


async def test_an_answer_that_says_nothing_has_no_part_and_can_be_sent_back() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        running_service(over(fake)) as service,
        Client(service.address) as client,
    ):
        fake.will(END, times=2)
        reply = await client.chat("hi")
        async with client.stream("hi") as stream:
            items = [item async for item in stream]
        await client.chat([user("hi"), reply.message, stream.reply.message, user("go on")])
        service_answer = reply.raw.message
        request = llm_pb2.ChatRequest(
            messages=[user_message("hi"), service_answer, user_message("go on")]
        )
        await service.stub.Chat(request)

    assert ((), "", []) == (reply.message.parts, reply.text, items)
    assert reply.message == stream.reply.message == Message(Role.ASSISTANT)
    for sent in fake.chats[-2:]:
        assert [("user", "hi\n\ngo on")] == [
            (one["role"], one["content"]) for one in json.loads(sent.body)["messages"]
        ]


def user_message(text: str) -> llm_pb2.Message:
    return llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=[llm_pb2.ContentPart(text=text)])


def declined(*words: str) -> list[llm_pb2.ChatStreamResponse]:
    """Return a stream that declines in these words."""
    end = completed()
    end.completed.finish_reason = llm_pb2.FINISH_REASON_REFUSAL
    deltas = [llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(refusal=one)) for one in words]
    return [started(), *deltas, end]


async def test_the_command_tells_a_refusal_on_standard_error(service: ScriptedService) -> None:
    service.scripts = [[*declined("I can't\n", "do \x1b[31mthat.")]]
    result = await run("chat", "Pick a lock.", address=service.address)

    assert (7, "") == (result.code, result.out)
    first, receipt = result.err.splitlines()
    assert first.startswith("llmsvc: the model declined: I can't")
    assert "\x1b" not in first
    assert "the model declined" in receipt


async def test_a_refusal_without_words_has_the_same_code(service: ScriptedService) -> None:
    service.scripts = [[*declined()]]
    result = await run("chat", "Pick a lock.", address=service.address)

    assert (7, "", 1) == (result.code, result.out, result.err.count("\n"))
    assert "the model declined" in result.err


@pytest.mark.parametrize("form", ["--json", "--strict"])
async def test_so_has_one_that_comes_whole(
    service: ScriptedService, tmp_path: Path, form: str
) -> None:
    answer = response("Well.")
    answer.message.parts.add().refusal = "I can't."
    answer.finish_reason = llm_pb2.FINISH_REASON_REFUSAL
    answer.output_checks.add().violations.add(keyword="json")
    service.scripts = [[answer]]
    (tmp_path / "schema.json").write_text("{}")
    schema = ["--schema", str(tmp_path / "schema.json")]
    result = await run("chat", "Pick a lock.", *schema, form, address=service.address)

    assert 7 == result.code
    if form == "--json":
        assert {"refusal": "I can't."} == json.loads(result.out)["message"]["parts"][1]
    else:
        assert "Well.\n" == result.out
        assert "the model declined: I can't." in result.err
