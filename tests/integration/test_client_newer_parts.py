"""Parts that a newer server sends: read as far as they can be, sent back as they came or not at all.

Over a real server that follows a script. The bytes are those of later versions of the contract.
"""

import asyncio

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    Client,
    InvalidRequestError,
    Message,
    Role,
    UnknownPart,
    user,
)
from tests.fakes.running_service import running_service
from tests.fakes.scripted_answers import completed, piece, response, started
from tests.fakes.scripted_service import ScriptedService

NEWER_PARTS = {
    "a text of another kind": b"\x2a\x06secret",  # field 5
    "a message": b"\x12\x08\x0a\x06secret",  # field 2
    "a number": b"\xf8\x01\x01",  # field 31
    "a text and what belongs to it": b"\x0a\x03abc\x3a\x06secret",  # fields 1 and 7
}
NEWER_DELTAS = {
    "a text of another kind": b"\x08\x01\x1a\x06secret",  # fields 1, the index, and 3
    "a message": b"\x08\x01\x4a\x08\x0a\x06secret",  # field 9
    "what belongs to a text": b"\x08\x01\x32\x06secret",  # field 6
    "a text and what belongs to it": b"\x08\x01\x12\x03abc\x32\x06secret",  # fields 2 and 6
}


def delta(raw: bytes) -> llm_pb2.ChatStreamResponse:
    return llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta.FromString(raw))


@pytest.mark.parametrize("part", NEWER_PARTS.values(), ids=NEWER_PARTS)
async def test_a_part_of_a_whole_answer_is_sent_back_to_the_byte(
    service: ScriptedService, client: Client, part: bytes
) -> None:
    answer = response("Hello")
    answer.message.parts.append(llm_pb2.ContentPart.FromString(part))
    service.scripts = [[answer]]

    reply = await client.chat("hi")
    await client.chat([user("hi"), reply.message, user("go on")])

    assert reply.text in {"Hello", "Helloabc"}
    assert isinstance(reply.message.parts[1], UnknownPart)
    assert answer.message == service.calls[1].request.messages[1]
    sent = service.calls[1].request.messages[1].SerializeToString(deterministic=True)
    assert answer.message.SerializeToString(deterministic=True) == sent
    assert "secret" not in repr(reply) + repr(reply.message.parts)


@pytest.mark.parametrize("newer", NEWER_DELTAS.values(), ids=NEWER_DELTAS)
async def test_a_part_of_a_stream_is_never_left_out_in_silence(
    service: ScriptedService, client: Client, newer: bytes
) -> None:
    service.scripts = [[started(), piece("Hello"), delta(newer), delta(newer), completed()]]

    async with client.stream("hi") as stream:
        shown = "".join([item.text async for item in stream])
    reply = stream.reply
    with pytest.raises(InvalidRequestError, match=r"update.*chat\(\).*Message\(role") as caught:
        client.stream([user("hi"), reply.message, user("go on")])

    assert shown == reply.text == stream.text
    assert ["messages[1].parts[1]"] == [each.field for each in caught.value.violations]
    assert "secret" not in str(caught.value) + repr(reply.message.parts)


async def test_what_a_stream_said_in_text_can_be_sent_back(
    service: ScriptedService, client: Client
) -> None:
    newer = delta(NEWER_DELTAS["a text and what belongs to it"])
    service.scripts = [[started(), piece("Hello"), newer, completed()]]

    async with client.stream("hi") as stream:
        _ = [item async for item in stream]
    turns = [user("hi"), Message(Role.ASSISTANT, stream.reply.text), user("go on")]
    async with client.stream(turns) as following:
        _ = [item async for item in following]

    assert "Helloabc" == service.calls[1].request.messages[1].parts[0].text


async def test_a_stream_of_newer_parts_alone_ends_well(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), *(delta(newer) for newer in NEWER_DELTAS.values()), completed()]]

    async with client.stream("hi") as stream:
        pieces = [item.text async for item in stream]

    assert ["abc"] == pieces


async def test_the_blocking_client_does_the_same(service: ScriptedService) -> None:
    newer = delta(NEWER_DELTAS["a message"])
    service.scripts = [[started(), newer, completed()]]

    def ask() -> None:
        with BlockingClient(service.address) as client, client.stream("hi") as stream:
            _ = list(stream)
            client.chat([user("hi"), stream.reply.message, user("go on")])

    with pytest.raises(InvalidRequestError, match="newer than this client"):
        await asyncio.to_thread(ask)


async def test_an_empty_delta_is_nothing_new(service: ScriptedService, client: Client) -> None:
    service.scripts = [[started(), delta(b"\x08\x01"), piece("a"), completed()]]

    async with client.stream("hi") as stream:
        _ = [item async for item in stream]

    assert ("a",) == stream.reply.message.parts


async def test_a_server_that_does_not_know_the_part_refuses_it() -> None:
    newer = Message(Role.ASSISTANT, parts=["Hello", UnknownPart("", b"\x2a\x06secret")])
    llm = {"providers": {"mock": {"kind": "mock", "enabled": True}}, "default_provider": "mock"}
    async with running_service(llm) as real, Client(real.address) as client:
        with pytest.raises(InvalidRequestError) as caught:
            await client.chat([user("hi"), newer, user("go on")])

    assert ["messages[1].parts[1]"] == [each.field for each in caught.value.violations]
