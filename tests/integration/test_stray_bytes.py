"""What comes on a connection that nobody reads from belongs to nobody: no caller is given it."""

import asyncio

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.conformance.subjects import ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.raw_answers import DIALECTS, MODEL, Dialect, answered, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.fakes.scripted_provider import names_of

POISON = "MEANT FOR NOBODY"
each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
framing = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


class Poisoner:
    """Answers well, and says more behind its first answer: at once, or later."""

    def __init__(self, dialect: Dialect, more: bytes, *, after_s: float, chunked: bool) -> None:
        self.has_said_more = False
        self._dialect = dialect
        self._more = more
        self._after_s = after_s
        self._chunked = chunked
        self._answers = 0

    async def say(self, _asked: Asked, writer: asyncio.StreamWriter) -> None:
        self._answers += 1
        answer = self._dialect.answer(f"answer {self._answers}", chunked=self._chunked)
        if self._answers > 1:
            writer.write(answer)
        elif not self._after_s:
            writer.write(answer + self._more)
            self.has_said_more = True
        else:
            writer.write(answer)
            asyncio.get_running_loop().call_later(self._after_s, self._say_more, writer)

    def _say_more(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self._more)
        self.has_said_more = True


def extra(dialect: Dialect, kind: str) -> bytes:
    """Return what comes unasked."""
    whole = dialect.answer(POISON)
    return {
        "a whole answer": whole,
        "two of them": whole + whole,
        "half a head": whole[:20],
        "a head and half a body": whole[:-10],
        "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
        "an answer without a body": b"HTTP/1.1 204 No Content\r\n\r\n",
        "a timeout": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        "a blank line": b"\r\n",
        "garbage": b"garbage",
    }[kind]


@each_dialect
@framing
@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2, 1.0])
async def test_an_extra_answer_is_given_to_nobody(
    dialect: Dialect, after_s: float, *, chunked: bool
) -> None:
    more = extra(dialect, "a whole answer")
    poisoner = Poisoner(dialect, more, after_s=after_s, chunked=chunked)
    async with (
        RawUpstream(poisoner.say) as upstream,
        dialect.adapter(upstream.base_url) as provider,
    ):
        first = await answered(provider)
        await eventually(lambda: poisoner.has_said_more)
        # At once: the bytes are in the kernel, and nothing of ours has seen them yet.
        others = [await answered(provider) for _ in range(3)]

    assert ["answer 1", "answer 2", "answer 3", "answer 4"] == [first, *others]
    assert 2 == upstream.accepted  # one more, and that is kept as ever


@each_dialect
@pytest.mark.parametrize("after_s", [0.0, 0.02], ids=["at once", "later"])
@pytest.mark.parametrize(
    "kind",
    [
        "two of them",
        "half a head",
        "a head and half a body",
        "an interim answer",
        "an answer without a body",
        "a timeout",
        "a blank line",
        "garbage",
    ],
)
async def test_whatever_comes_unasked_harms_no_call(
    dialect: Dialect, kind: str, after_s: float
) -> None:
    poisoner = Poisoner(dialect, extra(dialect, kind), after_s=after_s, chunked=True)
    async with (
        RawUpstream(poisoner.say) as upstream,
        dialect.adapter(upstream.base_url) as provider,
    ):
        first = await answered(provider)
        await eventually(lambda: poisoner.has_said_more)
        others = [await answered(provider) for _ in range(2)]

    assert ["answer 1", "answer 2", "answer 3"] == [first, *others]


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2, 1.0])
async def test_an_extra_list_is_given_to_nobody(after_s: float) -> None:
    has_said_more = False

    async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
        def poison() -> None:
            nonlocal has_said_more
            writer.write(response(tags(POISON)))
            has_said_more = True

        is_list = asked.path == "/api/tags"
        writer.write(response(tags(MODEL) if is_list else b"{}"))
        if asked.path == "/api/ps" and not has_said_more:
            asyncio.get_running_loop().call_later(after_s, poison)

    async with RawUpstream(say) as upstream, ollama_at(upstream.base_url) as provider:
        first = await provider.catalogue()
        await eventually(lambda: has_said_more)
        second = await provider.catalogue()

    assert [MODEL] == [*names_of(first).values()] == [*names_of(second).values()]


async def test_a_connection_that_is_flooded_while_idle_is_closed() -> None:
    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(DIALECTS["ollama"].answer("a"))
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)
            await writer.drain()

    async with RawUpstream(say) as upstream, ollama_at(upstream.base_url) as provider:
        text = await answered(provider)
        await eventually(lambda: upstream.open_connections == 0)

    assert "a" == text


@each_dialect
async def test_what_is_left_of_an_answer_before_is_no_answer(dialect: Dialect) -> None:
    """It comes behind the next request, and begins in the middle of a head."""
    left = dialect.answer(POISON)
    answers = 0

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        answers += 1
        answer = dialect.answer(f"answer {answers}")
        writer.write({1: answer + left[:20], 2: left[20:] + answer}.get(answers, answer))

    async with RawUpstream(say) as upstream, dialect.adapter(upstream.base_url) as provider:
        first = await answered(provider)
        try:
            second = await answered(provider)
        except ProviderError:
            second = ""  # where a request may not be sent twice
        third = await answered(provider)

    assert "answer 1" == first
    assert second in {"", "answer 3"}
    assert POISON not in third


async def test_a_server_that_speaks_before_it_is_asked_is_none() -> None:
    spoke = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)
        spoke.set()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with ollama_at(f"http://127.0.0.1:{port}") as provider:
            with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
                await answered(provider)

    assert "C08" == caught.value.row
