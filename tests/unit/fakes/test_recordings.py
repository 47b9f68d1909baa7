import itertools

import aiohttp
import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.recordings import VERSIONS, cases, recording, replay
from tests.unit.fakes.asking import ask

_ALL = [(version, case) for version in VERSIONS for case in cases(version)]


async def test_every_chat_can_be_sent_again_byte_for_byte(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    chats = [
        recorded
        for recorded in itertools.starmap(recording, _ALL)
        if recorded.path == "/api/chat" and recorded.method == "POST" and recorded.complete
    ]
    for recorded in chats:
        fake.will(replay(recorded))

    received = [await ask(session, fake.base_url) for _ in chats]

    assert [(recorded.status, recorded.body) for recorded in chats] == received


async def test_a_lost_connection_is_lost_again(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(replay(recording("0.24.0", "sigkill-while-streaming")))

    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(session, fake.base_url)


async def test_can_be_sent_in_pieces(fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    recorded = recording("0.10.1", "chat-multibyte")
    fake.will(replay(recorded, piece_bytes=7))

    assert (recorded.status, recorded.body) == await ask(session, fake.base_url)


def test_both_versions_have_the_same_cases_but_for_a_newer_parser() -> None:
    newer = {"tool-parse-error-stream", "tool-parse-error-whole"}

    assert newer == set(cases("0.24.0")) ^ set(cases("0.10.1"))
