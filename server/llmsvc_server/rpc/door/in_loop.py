"""The door that costs least: grpcio's own core objects, worked off by the event loop."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import grpc
from typing_extensions import override

from llmsvc_server.rpc.door.call import InLoopCall, Serializer
from llmsvc_server.rpc.door.core import NO_XDS, CoreServer
from llmsvc_server.rpc.door.interface import Door, Handler, Options, Server
from llmsvc_server.rpc.door.pump import Pump


@dataclass(slots=True)
class _Details:
    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...]


class _Method(NamedTuple):
    run: Callable[[None, InLoopCall], Awaitable[Any]]
    streams: bool
    serialize: Serializer | None


class InLoopServer(Server):
    """Runs each call in one task. Its methods read their requests themselves, as the guard does."""

    def __init__(self, pump: Pump, guard: grpc.aio.ServerInterceptor, options: Options) -> None:
        """Be worked off by `pump`. The guard is asked once for each method that there is."""
        self._pump = pump
        self._guard = guard
        self._core = CoreServer(options, NO_XDS)
        self._core.register_completion_queue(pump.queue)
        self._registered: dict[str, Handler] = {}
        self._generic: list[grpc.GenericRpcHandler] = []
        self._methods: dict[bytes, _Method] = {}
        # Calls arrive while others are served, and must not see those others' variables.
        self._context = contextvars.copy_context()
        self._is_serving = False
        self._stopped: asyncio.Future[None] | None = None

    @override
    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        self._generic.extend(generic_rpc_handlers)

    @override
    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        for name, handler in method_handlers.items():
            self._registered[f"/{service_name}/{name}"] = handler

    @override
    def add_insecure_port(self, address: str) -> int:
        port: int = self._core.add_http2_port(address.encode())
        if not port:
            raise RuntimeError(f"{address} can't be had")
        return port

    @override
    async def start(self) -> None:
        self._core.start()
        self._is_serving = True
        self._ask()

    @override
    async def stop(self, grace: float | None) -> None:
        if self._stopped is None:
            if not self._is_serving:
                return
            self._stopped = self._pump.loop.create_future()
            self._is_serving = False
            self._core.shutdown(self._pump.queue, self._finish_stop)
        self._pump.look_soon()
        _ = await asyncio.wait((self._stopped,), timeout=grace or 0.0)
        if not self._stopped.done():
            self._core.cancel_all_calls()
            self._pump.look_soon()
            _ = await asyncio.wait((self._stopped,))

    def _finish_stop(self, _event: object) -> None:
        assert self._stopped is not None  # noqa: S101  it is the end of a stop
        self._stopped.set_result(None)
        self._pump.loop.call_soon(self._core.destroy)

    def _ask(self) -> None:
        if self._is_serving:
            self._core.request_call(self._pump.queue, self._pump.queue, self._take_call)

    def _take_call(self, event: Any) -> None:  # noqa: ANN401  gRPC's own
        self._pump.ask(self._ask)
        if not event.success:
            return  # the server stops
        call = InLoopCall(event, self._pump)
        context = self._context.copy()
        call.run(self._pump.loop.create_task(self._serve(call), context=context))

    async def _serve(self, call: InLoopCall) -> None:
        try:
            method = self._methods.get(call.method) or await self._find(call)
            if method is None:
                await call.end(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
                return
            call.serialize = method.serialize
            response = await method.run(None, call)
            await call.end(grpc.StatusCode.OK, message=None if method.streams else response)
        except (grpc.aio.AbortError, grpc.aio.InternalError, asyncio.CancelledError):
            # It has its status, or nobody is left to be told. A task that ends by a cancel keeps it,
            # with all frames that it went through: with what they know of the task it is a cycle.
            pass
        finally:
            call.let_go()

    async def _find(self, call: InLoopCall) -> _Method | None:
        details = _Details(call.method.decode(), tuple(call.invocation_metadata() or ()))
        handler = await self._guard.intercept_service(self._find_handler, details)
        if handler is None:
            return None
        streams = handler.response_streaming
        run = cast("Any", handler.stream_stream if streams else handler.stream_unary)
        method = self._methods[call.method] = _Method(run, streams, handler.response_serializer)
        return method

    async def _find_handler(self, details: grpc.HandlerCallDetails) -> Handler | None:
        known = self._registered.get(details.method)
        if known is not None:
            return known
        for generic in self._generic:
            handler = generic.service(details)
            if handler is not None:
                return handler
        return None


class InLoopDoor(Door):
    """Makes servers that one pump works off, together."""

    name = "in_loop"

    def __init__(self, pump: Pump) -> None:
        """Use `pump`."""
        self._pump = pump

    @override
    def make_server(self, guard: grpc.aio.ServerInterceptor, options: Options) -> Server:
        return InLoopServer(self._pump, guard, options)
