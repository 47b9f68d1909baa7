"""One streamed answer: a context manager that starts the call, an iterator that reads it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

import grpc.aio

from llmsvc.v1 import llm_pb2
from llmsvc_client.answers import CallPiece, Piece, Progress, RefusalPiece, Route
from llmsvc_client.calls import CallOptions, translate_errors
from llmsvc_client.convert import to_piece, to_progress, to_reply, to_route
from llmsvc_client.errors import LlmsvcError
from llmsvc_client.from_status import PartialAnswer, cut_stream_error
from llmsvc_client.parts import StreamedMessage
from llmsvc_client.reply import ChatReply

Call = grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]

_STATUS_TIMEOUT_S: Final = 1.0


class ChatStream:
    """A streamed answer.

    ```python
    async with client.stream("hello") as stream:
        async for piece in stream:
            print(piece.text, end="", flush=True)
    print(stream.reply.usage)
    ```

    The call runs from `async with` to its end. Leaving, for whatever reason, cancels it, and with
    it the generation.

    A stream with a `progress_interval_s` also gives `Progress` items, in their place and at their
    time, which no attribute could. Their text is empty, so that the loop above stays right.
    """

    def __init__(self, start: Callable[[], Call], options: CallOptions) -> None:
        """Keep how to start the call. Clients make these; nothing is sent yet."""
        self._start = start
        self._options = options
        self._call: Call | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._message = StreamedMessage()
        self._started = False
        self._route: Route | None = None
        self._request_id = options.request_id or ""
        self._reply: ChatReply | None = None

    async def __aenter__(self) -> Self:
        """Start the call. It does not wait for the answer to begin."""
        if self._call is not None:
            raise RuntimeError("this stream was used already: make a new one with client.stream()")
        self._loop = asyncio.get_running_loop()
        self._call = self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the call unless it has ended."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()

    def __del__(self) -> None:
        """Cancel a call that was entered and never left: grpcio 1.83 and later do not."""
        loop = self._loop
        if loop is None or self._call is None or self._closed or loop.is_closed():
            return
        loop.call_soon_threadsafe(self._call.cancel)

    def __aiter__(self) -> Self:
        """Iterate over the pieces. Goes on where an earlier loop stopped."""
        return self

    async def __anext__(self) -> Piece | CallPiece | RefusalPiece | Progress:
        """Return the next piece of text, a call or a refusal, or a sign of life if asked for such.

        Raises:
            StopAsyncIteration: The answer is whole; `reply` has it.
            StreamInterruptedError: It broke off after it had begun.
            LlmsvcError: The call failed in another way.
            RuntimeError: Not inside `async with`.
        """
        while self._reply is None:
            event = await self._read()
            match event.WhichOneof("event"):
                case "progress":
                    return to_progress(event.progress)
                case "started":
                    self._begin(event.started)
                case "delta":
                    self._message.add(event.delta)
                    if (piece := to_piece(event.delta)) is not None:
                        self._started = True
                        return piece
                case "completed":
                    await self._complete(event.completed)
                case _:  # newer than this client
                    pass
        raise StopAsyncIteration

    @property
    def reply(self) -> ChatReply:
        """The whole answer, once the iteration has come to its end.

        Raises:
            RuntimeError: It has not.
        """
        if self._reply is None:
            raise RuntimeError("the answer is not whole: iterate to its end first")
        return self._reply

    @property
    def text(self) -> str:
        """The text so far, also after a failure."""
        return self._message.so_far().text

    @property
    def route(self) -> Route | None:
        """Who answers; None until the first piece is there."""
        return self._route

    @property
    def request_id(self) -> str:
        """The request's id; unless the caller chose it, empty until the first piece is there."""
        return self._request_id

    async def _read(self) -> llm_pb2.ChatStreamResponse:
        if self._call is None or self._closed:
            raise RuntimeError("iterate inside `async with client.stream(...) as stream`")
        with translate_errors(self._options, self._partial):
            event = await self._call.read()
        if not isinstance(event, llm_pb2.ChatStreamResponse):
            partial = PartialAnswer(text=self.text, route=self._route)
            raise cut_stream_error(partial, request_id=self._request_id)
        return event

    def _begin(self, started: llm_pb2.StreamStarted) -> None:
        self._started = True
        self._route = to_route(started.route)
        self._request_id = started.request_id

    async def _complete(self, completed: llm_pb2.ChatResponse) -> None:
        """Keep the reply, and let the call end by itself: a cancel now would count as one there.

        The answer is whole, whatever the status says.
        """
        self._reply = to_reply(completed, self._message.so_far())
        with suppress(LlmsvcError, TimeoutError):
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                await self._read()

    def _partial(self) -> PartialAnswer | None:
        return PartialAnswer(text=self.text, route=self._route) if self._started else None
