from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvent, ChatEvents, Delta, Phase, Waiting
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.commit import commits, rest_of_answer
from llmsvc_server.routing.held import Share
from tests.fakes.assembled import everyday_held
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.scripted_provider import done


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Waiting(Phase.PROVIDER), False),
        (Delta(""), False),
        (Delta(" "), True),
        (done(), True),
    ],
)
def test_content_commits_and_so_does_the_end(event: ChatEvent, *, expected: bool) -> None:
    assert expected is commits(event)


async def _events(*events: ChatEvent) -> ChatEvents:
    for event in events:
        yield event


async def test_the_rest_is_added_to_what_is_held() -> None:
    held: list[ChatEvent] = [Delta("a")]
    async with aclosing(_events(Delta("b"), done())) as rest:
        await rest_of_answer(held, rest, Share(everyday_held(), "a"))

    assert [Delta("a"), Delta("b"), done()] == held


HALF = "é" * (MAX_ANSWER_BYTES // 4)


async def test_an_answer_may_be_as_long_as_the_limit() -> None:
    held: list[ChatEvent] = [Delta(HALF)]
    async with aclosing(_events(Delta(HALF), done())) as rest:
        await rest_of_answer(held, rest, Share(everyday_held(), "a"))

    assert done() == held[-1]


async def test_its_bytes_are_counted_and_not_its_letters() -> None:
    async with aclosing(_events(Delta(HALF + "a"), done())) as rest:
        with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
            await rest_of_answer([Delta(HALF)], rest, Share(everyday_held(), "a"))
