"""The client: one channel, and what can be asked over it."""

import asyncio
from collections.abc import Sequence
from typing import Self, Unpack

import grpc.aio

from llmsvc.v1 import llm_pb2_grpc
from llmsvc_client.calls import CallOptions, call_unary, check_size
from llmsvc_client.channel import READINESS, check_address, open_channel
from llmsvc_client.convert import to_reply
from llmsvc_client.options import ChatOptions, StreamOptions, check_names
from llmsvc_client.reply import ChatReply
from llmsvc_client.request import to_request
from llmsvc_client.stream import Call, ChatStream
from llmsvc_client.types import HealthStatus, Message


class Client:
    """Talks to one llmsvc server, or to all servers behind one name.

    ```python
    async with Client("localhost:50051") as client:
        reply = await client.chat("Why is the sky blue?", timeout_s=30)
    ```

    It connects with the first call, belongs to that call's event loop, and serves any number of
    calls at the same time. Without `async with`, call `close()` at the end.
    """

    def __init__(self, address: str, *, balance: bool = False) -> None:
        """Keep where to go. Nothing is opened yet.

        Args:
            address: `host:port`, `[::1]:port`, `dns:///host:port` or `unix:/path`.
            balance: Spread calls over all addresses of the name and pass over servers whose
                `readiness` is not SERVING: every call, `health` included, then fails with
                `UnavailableError` while none is ready.

        Raises:
            ValueError: The address can't be one; the text says what to write instead.
        """
        self._address = check_address(address)
        self._balance = balance
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return the client itself; the connection is made with the first call."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connection and cancel what still runs. A closed client stays closed."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def chat(
        self, prompt: str | Sequence[Message], **options: Unpack[ChatOptions]
    ) -> ChatReply:
        """Return one answer, whole.

        Args:
            prompt: What the user says, or all turns, oldest first, ending with one of the user.
            options: By keyword, such as `model="phi3:mini", timeout_s=30`. `help(ChatOptions)`
                tells each.

        Raises:
            LlmsvcError: The call failed; the subclass says how.
            ValueError: `timeout_s` or `request_id` is out of range.
            TypeError: The prompt holds something other than messages, `targets` than targets, or
                there is no such option.
        """
        check_names("chat", options, ChatOptions.__optional_keys__)
        call_options = CallOptions(options.get("timeout_s"), options.get("request_id"))
        request = to_request(prompt, options)
        stub = llm_pb2_grpc.LLMServiceStub(self._open())
        return to_reply(await call_unary(stub.Chat, request, call_options))

    def stream(
        self, prompt: str | Sequence[Message], **options: Unpack[StreamOptions]
    ) -> ChatStream:
        """Return one answer that comes piece by piece, to be used in `async with`.

        Args:
            prompt: As in `chat`.
            options: By keyword, those of `chat` and more. `help(StreamOptions)` tells each.

        Raises:
            InvalidRequestError: A value does not fit its field, or the request is too large.
            ValueError: `timeout_s` or `request_id` is out of range.
            TypeError: As in `chat`.
        """
        check_names("stream", options, StreamOptions.__optional_keys__)
        call_options = CallOptions(options.get("timeout_s"), options.get("request_id"))
        request = to_request(
            prompt, options, progress_interval_s=options.get("progress_interval_s")
        )
        check_size(request)

        def start() -> Call:
            stub = llm_pb2_grpc.LLMServiceStub(self._open())
            return stub.ChatStream(
                request, timeout=call_options.timeout_s, metadata=call_options.metadata
            )

        return ChatStream(start, call_options)

    async def health(self, name: str = READINESS, *, timeout_s: float = 5.0) -> HealthStatus:
        """Return the state of one health name. Needs the extra `llmsvc[cli]`.

        Args:
            name: `readiness`, `liveness`, "" for the server as a whole, `model/<name>` or
                `provider/<name>`.
            timeout_s: Time for the call in seconds.

        Raises:
            NotFoundError: The server has no such name.
            LlmsvcError: The call failed; the subclass says how.
            ImportError: The extra is not installed.
            ValueError: `timeout_s` is out of range.
        """
        try:
            from llmsvc_client.health import check  # noqa: PLC0415  its dependency is an extra
        except ModuleNotFoundError as error:
            hint = "health needs an extra: pip install 'llmsvc[cli]'"
            raise ModuleNotFoundError(hint, name=error.name) from error
        return await check(self._open(), name, CallOptions(timeout_s, None))

    def _open(self) -> grpc.aio.Channel:
        """Return the channel of the running loop.

        Raises:
            RuntimeError: The client is closed, or belongs to another loop.
        """
        if self._closed:
            raise RuntimeError("this client is closed: make a new one")
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._loop = loop
            self._channel = open_channel(self._address, balance=self._balance)
        elif self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop: make one per loop")
        return self._channel
