"""Where a fake of Anthropic's Messages plays one answer: from JSON to bytes."""

import json
from collections.abc import Mapping
from typing import NoReturn

from aiohttp import web

from tests.fakes.gate import Gate
from tests.fakes.linger import reset_on_close
from tests.fakes.ollama_record import Exchange, Json, Outcome

STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"


def encode(document: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def event_of(name: str, document: Json) -> bytes:
    """Return a named event, whose data say the name again, as the vendor's do."""
    data = encode({"type": name, **document})
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def error_of(kind: str, message: str, **error: object) -> Json:
    """Return an error as the vendor writes it, in a body or in an event."""
    return {
        "type": "error",
        "error": {"type": kind, "message": message, **error},
        "request_id": "req_011CFake",
    }


class Stage:
    """One request, and the means to answer it in every way, forbidden ones included."""

    def __init__(self, request: web.BaseRequest, exchange: Exchange) -> None:
        """Have written nothing."""
        self.exchange = exchange
        self._request = request
        self._response: web.StreamResponse | None = None

    @property
    def asked(self) -> Json:
        """The request's body; empty where it has none."""
        return self.exchange.json if self.exchange.body else {}

    @property
    def message(self) -> Json:
        """The answer as it is at its beginning, without usage."""
        return {
            "id": f"msg_{self.exchange.number:024}",
            "type": "message",
            "role": "assistant",
            "model": self.asked.get("model", ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    async def start(
        self, status: int = 200, content_type: str = STREAM, extra: Mapping[str, str] | None = None
    ) -> None:
        """Send status and headers of a chunked body, once; later calls do nothing."""
        if self._response is not None:
            return
        every = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(extra or {})}
        self._response = web.StreamResponse(status=status, headers=every)
        await self._response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Send bytes of the body as one chunk, after the headers."""
        await self.start()
        assert self._response is not None
        await self._response.write(data)

    async def whole(
        self, document: object, status: int = 200, extra: Mapping[str, str] | None = None
    ) -> None:
        """Send a complete JSON reply."""
        await self.page(encode(document), JSON, status, extra)

    async def page(
        self,
        data: bytes,
        content_type: str,
        status: int = 200,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Send a complete reply with its length. An empty content type sends none."""
        assert self._response is None, "a reply was begun already"
        every = {**({"Content-Type": content_type} if content_type else {}), **(extra or {})}
        self._response = web.Response(status=status, body=data, headers=every)
        await self._response.prepare(self._request)
        await self._response.write_eof()

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
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        if reset:
            reset_on_close(transport)
            transport.abort()
        else:
            transport.close()
        await self.hang()

    async def hang(self) -> NoReturn:
        """Do nothing until the connection is gone."""
        await Gate().passed()
        raise AssertionError("nobody opens this gate")
