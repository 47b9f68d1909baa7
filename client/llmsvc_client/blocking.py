"""The client for code without an event loop: the same coroutines, run on one private thread."""

from collections.abc import Sequence
from typing import Self, Unpack

from llmsvc_client.blocking_stream import BlockingStream
from llmsvc_client.channel import READINESS
from llmsvc_client.client import Client
from llmsvc_client.loop_thread import run
from llmsvc_client.options import ChatOptions, StreamOptions
from llmsvc_client.reply import ChatReply
from llmsvc_client.types import HealthStatus, Message


class BlockingClient:
    """`Client` for scripts: any number of threads may share one. Errors and results are the same.

    Every method raises RuntimeError in a thread whose event loop runs: use `Client` there.
    """

    def __init__(self, address: str, *, balance: bool = False) -> None:
        """Keep where to go, as `Client` does. Nothing is opened yet."""
        self._client = Client(address, balance=balance)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connection and cancel what still runs."""
        run(self._client.close())

    def chat(self, prompt: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatReply:
        """Return one answer, whole, as `Client.chat` does. Ctrl-C cancels the call.

        `help(ChatOptions)` tells the options.
        """
        return run(self._client.chat(prompt, **options))

    def stream(
        self, prompt: str | Sequence[Message], **options: Unpack[StreamOptions]
    ) -> BlockingStream:
        """Return one answer that comes piece by piece, to be used in `with`.

        `help(StreamOptions)` tells the options.
        """
        return BlockingStream(self._client.stream(prompt, **options))

    def health(self, name: str = READINESS, *, timeout_s: float = 5.0) -> HealthStatus:
        """Return the state of one health name, as `Client.health` does."""
        return run(self._client.health(name, timeout_s=timeout_s))
