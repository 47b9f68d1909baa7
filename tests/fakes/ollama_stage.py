"""Where a fake Ollama's answer to one request is played: from JSON to bytes on the socket."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from aiohttp import web
from typing_extensions import override

from tests.fakes.gate import Gate
from tests.fakes.linger import reset_on_close
from tests.fakes.ollama_checks import Asked, Generation
from tests.fakes.ollama_record import Exchange, Json, Outcome, Phase
from tests.fakes.ollama_world import World

NDJSON = "application/x-ndjson"
JSON = "application/json; charset=utf-8"
TEXT = "text/plain"
Call = tuple[str, Json]
"""Name and arguments."""


def encode(document: Json) -> bytes:
    """Return JSON as Go's encoder writes it: compact, with <, > and & escaped."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def pieces_of(text: str) -> list[str]:
    """Return a text as its tokens here: words, each but the first with the space before it."""
    first, *others = text.split(" ")
    return [piece for piece in (first, *(f" {word}" for word in others)) if piece]


def now_text() -> str:
    """Return the wall clock as Ollama writes it: RFC 3339, UTC, nanoseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f789Z")


class _Unframed(web.StreamResponse):
    """A response whose bytes, status line included, were written already."""

    @property
    @override
    def keep_alive(self) -> bool:
        """Leave the connection as it is."""
        return True

    @override
    async def prepare(self, request: web.BaseRequest) -> None:
        """Write nothing."""

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


class Stage:
    """One request, and the means to answer it in every way, forbidden ones included."""

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        world: World,
        generation: Generation,
    ) -> None:
        """Have written nothing."""
        self.exchange = exchange
        self.world = world
        self.generation = generation
        self.asked: Asked | None = None
        self._request = request
        self._response: web.StreamResponse | None = None

    @property
    def oldest(self) -> bool:
        """Whether this is 0.10.1."""
        return self.generation is Generation.OLDEST

    @property
    def model(self) -> str:
        """The model in the request's spelling, as every line echoes it."""
        return self.asked.model if self.asked else ""

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.asked is None or self.asked.stream

    async def start(
        self,
        status: int = 200,
        content_type: str = NDJSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send status and headers of a chunked body, once; later calls do nothing."""
        if self._response is not None:
            return
        every = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}
        self._response = web.StreamResponse(status=status, headers=every)
        await self._response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Send bytes of the body as one chunk, after the headers."""
        await self.start()
        assert self._response is not None
        if self.asked is not None:
            self.exchange.phase = Phase.STREAMING
        await self._response.write(data)

    async def line(self, document: Json) -> None:
        """Send one line."""
        await self.write(encode(document) + b"\n")

    async def token(self, text: str, **extra: object) -> None:
        """Send one line with content."""
        await self.line(self.content_line(text, **extra))
        self.exchange.tokens_sent += 1

    async def reply(self, pieces: Sequence[str], last: Json | None) -> None:
        """Send a whole answer as the client wants it: lines, or one object.

        Args:
            pieces: The content, one line each.
            last: The final line; None ends without one, whose object then says `done:false`.
        """
        if self.streams:
            for piece in pieces:
                await self.token(piece)
            if last is not None:
                await self.line(last)
            return
        self.exchange.tokens_sent = len(pieces)
        text = self.content_line("".join(pieces))
        await self.whole({**text, **(last or {}), "message": text["message"]})

    async def reply_calls(self, calls: Sequence[Call], last: Json) -> None:
        """Send an answer that calls tools as the client wants it: a line for each, or one object."""
        written = [self._written(index, call) for index, call in enumerate(calls)]
        if not self.streams:
            message = {"role": "assistant", "content": "", "tool_calls": written}
            await self.whole({**last, "message": message})
            return
        for call in written:
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
            await self.line(self.content_line("", message=message))
        await self.line(last)

    def _written(self, index: int, call: Call) -> Json:
        """Return a call as a line has it; 0.10.1 gives no id, and no index that is 0."""
        name, arguments = call
        function: Json = {"index": index, "name": name, "arguments": arguments}
        if self.oldest:
            return {"function": {key: value for key, value in function.items() if value != 0}}
        return {"id": f"call_{secrets.token_hex(4)}", "function": function}

    async def whole(
        self, document: Json | None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one JSON object, without a newline."""
        await self.body(b"" if document is None else encode(document), JSON, status, headers)

    async def body(
        self,
        data: bytes,
        content_type: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a complete reply; chunked above 2 kB as Go does, else with its length.

        An empty one has no content type.
        """
        assert self._response is None, "a reply was begun already"
        every = {**({"Content-Type": content_type} if data else {}), **(headers or {})}
        self._response = web.Response(status=status, body=data, headers=every)
        if len(data) > 2048:
            self._response.enable_chunked_encoding()
        await self._response.prepare(self._request)
        await self._response.write_eof()

    async def refuse(self, status: int, text: str) -> None:
        """Send an error found before generation."""
        await self.whole({"error": text}, status=status)

    async def fail_first(self, status: int, text: str) -> None:
        """Send an error found after a runner was obtained, before any token."""
        if not self.streams:
            await self.refuse(status, text)
        elif self.oldest:
            await self.line({"error": text})
        else:
            await self.start(status, "application/json")
            await self.write(encode({"error": text}))

    def content_line(self, text: str, **extra: object) -> dict[str, object]:
        """Return a line with content; `extra` adds keys or replaces them."""
        message = {"role": "assistant", "content": text}
        line = {"model": self.model, "created_at": now_text(), "message": message, "done": False}
        return line | extra

    def done_line(self, reason: str, metrics: Json, text: str = "") -> dict[str, object]:
        """Return a final line, usually without text; 0.10.1 puts the reason before `done`."""
        line = self.content_line(text)
        del line["done"]
        ends: dict[str, object] = {"done": True, "done_reason": reason}
        if self.oldest:
            ends = dict(reversed(ends.items()))
        return {**line, **ends, **metrics}

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are; before any other, they stand for the whole reply."""
        if self._response is None:
            self._response = _Unframed()
        if self.asked is not None:
            self.exchange.phase = Phase.STREAMING
        self._transport.write(data)

    async def finish(self) -> web.StreamResponse:
        """End the body properly; an answer without any byte is an empty stream."""
        await self.start()
        assert self._response is not None
        await self._response.write_eof()
        return self._response

    async def cut(self, *, reset: bool) -> NoReturn:
        """Close the connection: what was written is sent, or on `reset` maybe not."""
        self.exchange.end(Outcome.SCRIPT_CUT)
        self.exchange.connection.cut = True
        if reset:
            reset_on_close(self._transport)
            self._transport.abort()
        else:
            self._transport.close()
        await self.hang()

    async def hang(self) -> NoReturn:
        """Do nothing until the connection is gone."""
        await Gate().passed()
        raise AssertionError("nobody opens this gate")

    @property
    def _transport(self) -> asyncio.Transport:
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        return transport
