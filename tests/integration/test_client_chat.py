"""Whole answers of the client, over a real server that follows a script."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    Client,
    Code,
    DeadlineExceededError,
    InvalidRequestError,
    LlmsvcError,
    OverloadedError,
    Sampling,
    UnavailableError,
    assistant,
    user,
)
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.gate import Gate
from tests.fakes.running_service import running_service
from tests.fakes.scripted_answers import response
from tests.fakes.scripted_service import ScriptedService, interrupted


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService(scripts=[[response("Hello")]]) as service:
        yield service


async def test_gives_the_whole_answer(client: Client) -> None:
    reply = await client.chat("hi")

    assert "Hello" == reply.text
    assert "phi3:mini" == reply.route.model
    assert response("Hello") == reply.raw


async def test_sends_a_text_as_one_turn_and_nothing_else(
    service: ScriptedService, client: Client
) -> None:
    await client.chat("hi")

    turn = llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=[llm_pb2.ContentPart(text="hi")])
    assert llm_pb2.ChatRequest(messages=[turn]) == service.calls[0].request


async def test_sends_all_that_was_asked_for(service: ScriptedService, client: Client) -> None:
    await client.chat(
        [user("a"), assistant("b"), user("c")],
        system="be brief",
        model="phi3:mini",
        sampling=Sampling(temperature=0, max_output_tokens=5, stop_sequences=("END",)),
    )

    request = service.calls[0].request
    assert [
        (llm_pb2.ROLE_SYSTEM, "be brief"),
        (llm_pb2.ROLE_USER, "a"),
        (llm_pb2.ROLE_ASSISTANT, "b"),
        (llm_pb2.ROLE_USER, "c"),
    ] == [(turn.role, turn.parts[0].text) for turn in request.messages]
    assert "phi3:mini" == request.model
    assert (
        llm_pb2.GenerationConfig(temperature=0, max_output_tokens=5, stop_sequences=["END"])
        == request.generation_config
    )


async def test_an_answer_can_be_sent_back(service: ScriptedService, client: Client) -> None:
    reply = await client.chat("hi")
    await client.chat([user("hi"), reply.message, user("go on")])

    assert response("Hello").message == service.calls[1].request.messages[1]


async def test_an_answer_of_several_parts_is_sent_back_part_for_part(
    service: ScriptedService, client: Client
) -> None:
    answer = response("Hel")
    answer.message.parts.add().text = ""
    answer.message.parts.add().text = "lo"
    service.scripts = [[answer]]

    reply = await client.chat("hi")
    await client.chat([user("hi"), reply.message, user("go on")])

    assert "Hello" == reply.text
    sent = service.calls[1].request.messages[1]
    assert (llm_pb2.ROLE_ASSISTANT, ["Hel", "lo"]) == (sent.role, [p.text for p in sent.parts])


async def test_an_answer_that_says_nothing_can_be_sent_back(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("")]]
    nothing = await client.chat("hi")
    turns = [user("hi"), nothing.message, user("go on")]
    llm = {"providers": {"mock": {"kind": "mock", "enabled": True}}, "default_provider": "mock"}
    async with running_service(llm) as real, Client(real.address) as asking:
        reply = await asking.chat(turns)

    assert () == nothing.message.parts
    assert "It received 2 messages" in reply.text


async def test_sends_no_deadline_unless_told(service: ScriptedService, client: Client) -> None:
    await client.chat("hi")
    await client.chat("hi", timeout_s=30)

    assert service.calls[0].time_remaining_s is None
    assert service.calls[1].time_remaining_s == pytest.approx(30, abs=5)


async def test_sends_the_request_id_and_who_it_is(service: ScriptedService, client: Client) -> None:
    await client.chat("hi", request_id="mine-1")

    metadata = service.calls[0].metadata
    assert "mine-1" == metadata["x-request-id"]
    assert str(metadata["user-agent"]).startswith("llmsvc-client/0.")


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 1e12])
async def test_refuses_a_timeout_that_would_end_the_call_at_once(
    client: Client, timeout_s: float
) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        await client.chat("hi", timeout_s=timeout_s)


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 65, "ä", "a\n"])
async def test_refuses_a_request_id_that_the_server_would_replace(
    client: Client, request_id: str
) -> None:
    with pytest.raises(ValueError, match="request_id"):
        await client.chat("hi", request_id=request_id)


async def test_refuses_a_request_above_the_limit_of_a_message(
    service: ScriptedService, client: Client
) -> None:
    with pytest.raises(InvalidRequestError, match="16 MiB") as caught:
        await client.chat("x" * (16 * 2**20))

    assert "TOO_LONG" == caught.value.violations[0].reason
    assert not service.calls


async def test_says_that_a_request_is_above_the_limit_of_a_server() -> None:
    llm = {"providers": {"mock": {"kind": "mock", "enabled": True}}, "default_provider": "mock"}
    limits = {"max_message_bytes": 65_536}
    async with running_service(llm, limits=limits) as service, Client(service.address) as client:
        with pytest.raises(OverloadedError, match=r"request has \d+ bytes.* 65536") as caught:
            await client.chat("x" * 70_000)

    assert not caught.value.retryable


async def test_takes_an_answer_of_several_megabytes(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[response("x" * (10 * 2**20))]]

    reply = await client.chat("hi")

    assert 10 * 2**20 == len(reply.text)


async def test_a_deadline_ends_the_call(service: ScriptedService, client: Client) -> None:
    service.scripts = [[Gate()]]

    with pytest.raises(DeadlineExceededError) as caught:
        await client.chat("hi", timeout_s=0.2, request_id="mine-1")

    assert "mine-1" == caught.value.request_id
    assert "no whole answer within 0.2 s, the time that the call was given" == caught.value.message
    await eventually(lambda: service.ends == ["cancelled"])


async def test_a_cancelled_task_cancels_the_call(service: ScriptedService, client: Client) -> None:
    gate = Gate()
    service.scripts = [[gate]]

    with pytest.raises(TimeoutError):
        await interrupted(client.chat("hi"), at=gate)

    await eventually(lambda: service.ends == ["cancelled"])


async def test_nobody_there_is_unavailable_at_once() -> None:
    async with ScriptedService() as service:
        address = service.address

    async with Client(address) as client, asyncio.timeout(PATIENCE_S):
        with pytest.raises(UnavailableError, match="refused") as caught:
            await client.chat("hi")

    assert ("", True) == (caught.value.reason, caught.value.retryable)


async def test_serves_many_calls_at_once(service: ScriptedService, client: Client) -> None:
    gate = Gate()
    service.scripts = [[gate, response("Hello")]]

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(client.chat("hi")) for _ in range(50)]
        await gate.reached(50)
        gate.open()

    assert {"Hello"} == {call.result().text for call in calls}


async def test_closing_ends_running_calls_with_an_error_and_not_with_a_cancel(
    service: ScriptedService,
) -> None:
    gate = Gate()
    service.scripts = [[gate]]
    client = Client(service.address)

    async def ask() -> None:
        with pytest.raises(LlmsvcError, match="closed") as caught:
            await client.chat("hi")
        assert Code.CANCELLED is caught.value.code

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        await gate.reached()
        await client.close()

    await eventually(lambda: service.ends == ["cancelled"])


async def test_a_closed_client_says_so(client: Client) -> None:
    await client.close()
    await client.close()

    with pytest.raises(RuntimeError, match="closed"):
        await client.chat("hi")


def test_a_client_belongs_to_one_loop(unused_tcp_port: int) -> None:
    client = Client(f"127.0.0.1:{unused_tcp_port}")

    async def ask() -> None:
        with pytest.raises(UnavailableError):
            await client.chat("hi")

    async def ask_from_elsewhere() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.chat("hi")

    asyncio.run(ask())
    asyncio.run(ask_from_elsewhere())
