"""What a door is: servers of gRPC calls, however they are made, and what a call's method sees.

Both doors pass the same tests.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import grpc
from typing_extensions import override

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic to a type checker only

Options = tuple[tuple[str, int], ...]
"""Channel arguments."""

Metadata = Sequence[tuple[str, str | bytes]]


class NoGuard(grpc.aio.ServerInterceptor):
    """Lets every call through."""

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        return await continuation(handler_call_details)


class Context(Protocol):
    """One call, for as long as its method runs: the part of `grpc.aio.ServicerContext` that is used.

    A caller that is gone shows as a cancel of the method's task, or as `grpc.aio.InternalError`
    where something was on its way to it.
    """

    async def read(self) -> Any:  # noqa: ANN401  grpc.aio's own: bytes, or grpc.aio.EOF
        """Return the next request, or `grpc.aio.EOF` if none follows."""
        ...

    async def write(self, message: Any) -> None:  # noqa: ANN401  as the method's serializer takes it
        """Send a message; returns once the caller's window had room for it."""
        ...

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Say what the headers are. They have left when the message that follows has."""
        ...

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Say what goes with the status."""
        ...

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        """End the call with a status, behind whatever is on its way.

        Raises:
            AbortError: It was sent.
        """
        ...

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return what the caller sent with the call."""
        ...

    def peer(self) -> str:
        """Return where the caller is, as gRPC writes it."""
        ...

    def time_remaining(self) -> float | None:
        """Return the seconds to the caller's deadline, None if it set none."""
        ...


class Server(Protocol):
    """Listens, and serves methods: the part of `grpc.aio.Server` that is used."""

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        """Serve these, where no method of that name is registered."""
        ...

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Serve these methods of a service."""
        ...

    def add_insecure_port(self, address: str) -> int:
        """Listen on "host:port", and return the port.

        Raises:
            RuntimeError: It can't be had.
        """
        ...

    async def start(self) -> None:
        """Take calls."""
        ...

    async def stop(self, grace: float | None) -> None:
        """Take no more calls, and return once none runs; cancel those that do after `grace` seconds.

        Connections are told at once, before it waits for the first time. One more stop shortens
        the first. One that was never started is stopped.
        """
        ...


class NoSuchDoor(Exception):
    """A door can't be had here; the text says why."""


class Door(Protocol):
    """Makes servers.

    Attributes:
        name: As the setting has it.
    """

    name: str

    def make_server(self, guard: grpc.aio.ServerInterceptor, options: Options) -> Server:
        """Return a server whose calls all pass `guard`, not yet bound or started."""
        ...
