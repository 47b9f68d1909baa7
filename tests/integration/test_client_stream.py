"""Streams of the client, over a real server that follows a script."""

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    Adjustment,
    ChatStream,
    Client,
    FinishReason,
    Locality,
    ProviderKind,
    user,
)
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import completed, piece, started
from tests.fakes.scripted_service import ScriptedService


async def texts(stream: ChatStream) -> list[str]:
    return [piece.text async for piece in stream]


async def test_gives_the_pieces_and_then_the_reply(
    service: ScriptedService, client: Client
) -> None:
    adjustment = llm_pb2.Adjustment(
        field="generation_config.max_output_tokens",
        action=llm_pb2.Adjustment.ACTION_CLAMPED,
        description="Brought down.",
    )
    service.scripts = [[started(), piece("Hel"), piece("lo"), completed(adjustment)]]

    async with client.stream("hi") as stream:
        pieces = await texts(stream)

    reply = stream.reply
    assert ["Hel", "lo"] == pieces
    assert "Hello" == reply.text == reply.message.text == stream.text
    assert FinishReason.STOP is reply.finish_reason
    assert (12, 34, 46) == (
        reply.usage.input_tokens,
        reply.usage.output_tokens,
        reply.usage.total_tokens,
    )
    assert ("ollama", ProviderKind.OLLAMA, "phi3:mini", Locality.LOCAL) == (
        reply.route.provider,
        reply.route.kind,
        reply.route.model,
        reply.route.locality,
    )
    assert (
        Adjustment(
            field=adjustment.field,
            action="clamped",
            description="Brought down.",
            raw=adjustment,
        ),
    ) == reply.adjustments
    assert "req-1" == reply.request_id


async def test_an_answer_of_several_parts_is_sent_back_part_for_part(
    service: ScriptedService, client: Client
) -> None:
    second = llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(part_index=1, text="lo"))
    service.scripts = [[started(), piece("H"), piece("el"), second, completed()]]

    async with client.stream("hi") as stream:
        _ = await texts(stream)
    async with client.stream([user("hi"), stream.reply.message, user("go on")]) as following:
        _ = await texts(following)

    assert "Hello" == stream.text == stream.reply.text
    sent = service.calls[1].request.messages[1]
    assert (llm_pb2.ROLE_ASSISTANT, ["Hel", "lo"]) == (sent.role, [p.text for p in sent.parts])


async def test_knows_the_route_before_the_end(service: ScriptedService, client: Client) -> None:
    gate = Gate()
    service.scripts = [[started(), piece("a"), gate, completed()]]

    async with client.stream("hi") as stream:
        before = stream.route
        await anext(stream)

        assert before is None
        assert stream.route is not None
        assert "phi3:mini" == stream.route.model
        assert "req-1" == stream.request_id


async def test_passes_over_events_that_it_does_not_know(
    service: ScriptedService, client: Client
) -> None:
    unknown_event = llm_pb2.ChatStreamResponse.FromString(b"\xfa\x01\x02hi")
    unknown_delta = llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(part_index=1))
    service.scripts = [[unknown_event, started(), unknown_delta, piece("a"), completed()]]

    async with client.stream("hi") as stream:
        pieces = await texts(stream)

    assert ["a"] == pieces


async def test_can_be_iterated_only_inside_async_with(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), completed()]]
    stream = client.stream("hi")
    with pytest.raises(RuntimeError, match="async with"):
        await anext(stream)
    async with stream:
        pass

    with pytest.raises(RuntimeError, match="async with"):
        await anext(stream)
    with pytest.raises(RuntimeError, match="used already"):
        await stream.__aenter__()


async def test_has_no_reply_before_its_end(service: ScriptedService, client: Client) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    async with client.stream("hi") as stream:
        await anext(stream)

        with pytest.raises(RuntimeError, match="iterate to its end"):
            _ = stream.reply


async def test_goes_on_where_an_earlier_loop_stopped(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), piece("b"), completed()]]

    async with client.stream("hi") as stream:
        first = await anext(stream)
        rest = await texts(stream)
        nothing = await texts(stream)

    assert ("a", ["b"], []) == (first.text, rest, nothing)
