"""A streamed answer for code without an event loop."""

from typing import Self

from llmsvc_client.answers import CallPiece, Piece, Progress, RefusalPiece, Route
from llmsvc_client.loop_thread import run
from llmsvc_client.reply import ChatReply
from llmsvc_client.stream import ChatStream


class BlockingStream:
    """`ChatStream` for `with` and `for`. Leaving the `with` cancels the call."""

    def __init__(self, stream: ChatStream) -> None:
        """Keep the stream that does the work. Clients make these."""
        self._stream = stream

    def __enter__(self) -> Self:
        """Start the call."""
        run(self._stream.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel the call unless it has ended."""
        run(self._stream.__aexit__())

    def __iter__(self) -> Self:
        """Iterate over the pieces. Goes on where an earlier loop stopped."""
        return self

    def __next__(self) -> Piece | CallPiece | RefusalPiece | Progress:
        """Return the next piece or sign of life; raises as `ChatStream` does."""
        try:
            return run(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    @property
    def reply(self) -> ChatReply:
        """The whole answer, once the iteration has come to its end."""
        return self._stream.reply

    @property
    def text(self) -> str:
        """The text so far, also after a failure."""
        return self._stream.text

    @property
    def route(self) -> Route | None:
        """Who answers; None until the first piece is there."""
        return self._stream.route

    @property
    def request_id(self) -> str:
        """The request's id; empty until it is known."""
        return self._stream.request_id
