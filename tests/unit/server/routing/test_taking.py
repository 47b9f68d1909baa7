import pytest

from llmsvc_server.chat.events import AnswerEvents, Delta, Done
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.held import Share
from llmsvc_server.routing.router import take_all, take_first
from tests.fakes.assembled import everyday_held
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.scripted_provider import done


async def _events(*events: Delta | Done) -> AnswerEvents:
    for event in events:
        yield event


def a_share() -> Share:
    return Share(everyday_held(), "a")


@pytest.mark.parametrize("first", [Delta(" "), done()])
async def test_content_commits_and_so_does_the_end(first: Delta | Done) -> None:
    events = _events(first, done())
    taken, rest = await take_first(events)

    assert first == taken
    assert [done()] == [event async for event in rest]


async def test_without_content_and_without_an_end_there_is_no_answer() -> None:
    for take in (take_first(_events()), take_all(_events(), share=a_share())):
        with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as failed:
            await take

        assert "first_token" == failed.value.phase


async def test_a_whole_answer_is_all_of_its_pieces_and_its_end() -> None:
    assert (("ab",), done()) == await take_all(
        _events(Delta("a"), Delta("b"), done()), share=a_share()
    )
    assert ((), done()) == await take_all(_events(done()), share=a_share())


async def test_a_part_of_an_answer_is_never_passed_off_as_whole() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as failed:
        await take_all(_events(Delta("a")), share=a_share())

    assert "stream" == failed.value.phase


HALF = "é" * (MAX_ANSWER_BYTES // 4)


async def test_an_answer_may_be_as_long_as_the_limit() -> None:
    _, end = await take_all(_events(Delta(HALF), Delta(HALF), done()), share=a_share())

    assert done() == end


async def test_its_bytes_are_counted_and_not_its_letters() -> None:
    share = a_share()
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        await take_all(_events(Delta(HALF), Delta(HALF + "a"), done()), share=share)


async def test_what_an_attempt_before_has_left_takes_no_room() -> None:
    share = a_share()
    share.add(HALF)
    await take_all(_events(Delta("ab"), done()), share=share)

    assert 2 == share.bytes
