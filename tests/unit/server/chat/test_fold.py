from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import (
    SIGN_OF_LIFE,
    ChatEvent,
    ChatEvents,
    Delta,
    Phase,
    Started,
    Waiting,
)
from llmsvc_server.chat.fold import ChatReply, fold
from llmsvc_server.chat.route import Privacy, Route, Trail
from tests.fakes.scripted_provider import LOCAL_OLLAMA, done

ROUTE = Route(
    provider=LOCAL_OLLAMA,
    model="phi3:mini",
    trail=Trail(requested_model="", privacy=Privacy.LOCAL_ONLY),
)


async def events_of(*events: ChatEvent) -> ChatEvents:
    for event in events:
        yield event


async def folded(*events: ChatEvent) -> ChatReply:
    async with aclosing(events_of(*events)) as stream:
        return await fold(stream)


async def test_waits_on_the_way_are_no_part_of_it() -> None:
    reply = await folded(Started(ROUTE), Delta("hel"), Waiting(Phase.PROVIDER), Delta("lo"), done())

    assert ("hello",) == reply.parts


async def test_the_pieces_become_one_text_with_its_end_and_its_route() -> None:
    end = done(input_tokens=3)
    reply = await folded(Started(ROUTE), Delta("hel"), SIGN_OF_LIFE, Delta("lo"), end)

    assert ChatReply(("hello",), end, ROUTE) == reply


async def test_an_empty_answer_is_one_empty_text() -> None:
    reply = await folded(Started(ROUTE), done())

    assert ("",) == reply.parts


@pytest.mark.parametrize("events", [(), (Started(ROUTE), Delta("a")), (Started(ROUTE),)])
async def test_an_answer_without_an_end_is_a_defect(
    events: tuple[ChatEvent, ...],
) -> None:
    with pytest.raises(AssertionError):
        await folded(*events)


def test_a_reply_does_not_show_what_was_said() -> None:
    assert "secret" not in repr(ChatReply(("secret",), done(), ROUTE))
