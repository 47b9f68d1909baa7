"""The one outermost interceptor: every call gets exactly one status, and one report if it is no probe.

It reads the context once, limits the time, keeps the call in the registry, and turns what was
raised into a status. Nothing else maps errors. Methods get their requests as bytes, probes as
messages.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NoReturn, cast

import grpc
from google.protobuf.message import Message
from typing_extensions import override

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.chat.usage import Usage, estimated_tokens
from llmsvc_server.errors import (
    DeadlineExpired,
    LlmsvcError,
    ShuttingDown,
    StreamInterrupted,
    let_go,
)
from llmsvc_server.failures import InterruptCause
from llmsvc_server.reports import Reporter, RpcReport, RpcStart, place_of
from llmsvc_server.rpc.arrivals import Arrivals
from llmsvc_server.rpc.callinfo import (
    REQUEST_ID_KEY,
    Call,
    call_from,
    connection_of,
    current_call,
    request_id_from,
)
from llmsvc_server.rpc.decoding import decode_small
from llmsvc_server.rpc.details import message_of, status_code, trailers
from llmsvc_server.rpc.door.interface import Context, Handler
from llmsvc_server.rpc.headers import trailing_metadata
from llmsvc_server.rpc.hosts import host_of
from llmsvc_server.rpc.methods import MethodRules, MethodTable
from llmsvc_server.rpc.status import RpcFailure, to_failure
from llmsvc_server.rpc.unsent import COPIES, Unsent

Method = Callable[[Any, Context], Awaitable[object]]
Decoder = Callable[[bytes], object]

_MAKERS = {
    False: grpc.stream_unary_rpc_method_handler,
    True: grpc.stream_stream_rpc_method_handler,
}
"""By whether responses are a stream; see `Guard` for requests."""


class Guard(grpc.aio.ServerInterceptor):
    """Guards every method, as the table of methods has it; what has no row there is a probe.

    To grpcio each method takes a stream of requests, so that it is the guard who reads the one that
    there is: grpcio would read it before anybody can refuse it or end the wait, and hold it until
    the end of the call. On the wire it is the same.
    """

    def __init__(
        self, methods: MethodTable, *, arrivals: Arrivals, probes: Unsent, clock: Clock
    ) -> None:
        """Guard `methods` by their rows.

        Args:
            methods: The table.
            arrivals: Reads requests.
            probes: Counts what nobody reads of the answers to probes.
            clock: Monotonic seconds.
        """
        self._methods = methods
        self._arrivals = arrivals
        self._probes = probes
        self._clock = clock
        self._guarded: dict[str, Handler] = {}

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the guarded handler of a method; None where there is no such method."""
        name = handler_call_details.method
        handler = self._guarded.get(name)
        if handler is None:
            inner = await continuation(handler_call_details)
            if inner is None:
                return None
            handler = self._guarded[name] = self._guard(name, inner)
        return handler

    def _guard(self, name: str, inner: Handler) -> Handler:
        make = _MAKERS[inner.response_streaming]
        rules = self._methods.get(name)
        if rules is None:
            return make(self._guard_probe(inner), None, inner.response_serializer)
        return make(self._guard_method(name, inner, rules), None, None)  # it encodes its answers

    def _guard_method(self, name: str, inner: Handler, rules: MethodRules) -> Method:
        method = _method(inner)

        async def guarded(_requests: object, context: Context) -> object:
            call = call_from(context, name, rules.limits, self._clock)
            current_call.set(call)
            rules.reporter.rpc_started(RpcStart(method=name, request_id=call.request_id))
            limit = rules.registry.enter(call)
            response: object = None
            try:
                try:
                    # Nobody but the method has the request, and it may let it go.
                    answering = method(await self._arrivals.read_request(context), context)
                    call.has_arrived = True
                    response = await answering
                except BaseException as error:  # noqa: BLE001  raised again, but for one case
                    _take_end(call, error, in_time=not rules.registry.leave(limit))
                else:
                    rules.registry.leave(limit)
                context.set_trailing_metadata(trailing_metadata(call))
            except asyncio.CancelledError:
                self._report_cancel(call, rules.reporter)
                raise
            except Exception as error:  # noqa: BLE001  the one place that maps them all
                failure = self._report_failure(call, error, rules.reporter)
            else:
                self._report(call, rules.reporter, code="OK")
                return response
            # Here, because the error has gone, and with its frames the request that they held.
            return await _end(call, rules, context, failure)

        return guarded

    def _guard_probe(self, inner: Handler) -> Method:
        method = _method(inner)

        async def guarded(_requests: object, context: Context) -> object:
            request_id, caller = request_id_from(context), host_of(connection_of(context))
            try:
                context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
                request = await self._read_probe(inner, context)
                self._probes.check(caller)
                response = await method(request, context)
                if isinstance(response, Message):  # whole: nobody has waited for its reader
                    self._probes.hold(caller, COPIES * response.ByteSize())
            except grpc.aio.AbortError:
                raise
            except (asyncio.CancelledError, grpc.aio.InternalError) as error:
                if not _is_foreign(error):
                    raise asyncio.CancelledError from None
                failure = to_failure(ForeignCancelError())
            except Exception as error:  # noqa: BLE001  as above
                failure = to_failure(error)
            else:
                return response
            return await _abort(context, failure, request_id)

        return guarded

    async def _read_probe(self, inner: Handler, context: Context) -> object:
        """Return what a probe takes: a small message, or a stream of bytes."""
        if inner.request_streaming:
            return self._arrivals.read_requests(context)
        decode = cast("Decoder", inner.request_deserializer)
        return decode_small(decode, await self._arrivals.read_request(context))

    def _report_failure(self, call: Call, error: Exception, reporter: Reporter) -> RpcFailure:
        """Return what the caller is told, once it is reported."""
        failure = to_failure(_interrupt_if_committed(call, error), call.receipt)
        self._report(
            call,
            reporter,
            code=failure.code,
            failure=failure,
            detail=_describe_defect(failure, error),
        )
        let_go(error)
        return failure

    def _report_cancel(self, call: Call, reporter: Reporter) -> None:
        late = call.limit_s is None and call.finish_by.remaining_s() == 0
        self._report(call, reporter, code="DEADLINE_EXCEEDED" if late else "CANCELLED")

    def _report(
        self,
        call: Call,
        reporter: Reporter,
        *,
        code: str,
        failure: RpcFailure | None = None,
        detail: str = "",
    ) -> None:
        measured = call.measure()
        reporter.rpc_finished(
            RpcReport(
                method=call.method,
                request_id=call.request_id,
                code=code,
                reason="" if failure is None else failure.reason,
                cause="" if failure is None else failure.metadata.get("cause", ""),
                duration_s=measured.total_s,
                first_content_s=measured.first_content_s,
                messages_sent=call.messages_sent,
                attempts=call.receipt.tried,
                route=call.receipt.route,
                usage=call.usage,
                detail=detail,
            )
        )


def _method(inner: Handler) -> Method:
    return cast("Method", inner.stream_stream or inner.unary_stream or inner.unary_unary)


class ForeignCancelError(Exception):
    """A cancel that neither the caller nor gRPC sent. Swallowed, it would owe a status for ever."""


def _is_foreign(error: BaseException) -> bool:
    """Return whether it is a cancel that nobody has sent, not a caller that left."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling()


def _take_end(call: Call, error: BaseException, *, in_time: bool) -> None:
    """Return where the caller has all of its answer, whatever has ended its call since.

    Raises:
        BaseException: Else: what `error` means, for one that was not `in_time`, or to its caller.
    """
    if not isinstance(error, asyncio.CancelledError | grpc.aio.InternalError):
        raise error
    if not in_time:
        if call.is_complete:
            return
        raise _timeout_error(call) from None
    if _is_foreign(error):
        raise ForeignCancelError from None
    raise asyncio.CancelledError from None  # the caller is gone: a write says so in its own way


def _timeout_error(call: Call) -> LlmsvcError:
    if call.draining:
        if call.committed:
            return StreamInterrupted(InterruptCause.DRAIN)
        return ShuttingDown(called=call.has_arrived)  # who waited in a queue was sent away before
    if call.limit_s is not None and call.committed:
        return StreamInterrupted(InterruptCause.TIME_LIMIT)
    return DeadlineExpired(call.limit_s)


def _interrupt_if_committed(call: Call, error: Exception) -> Exception:
    if not call.committed:
        return error
    if not isinstance(error, LlmsvcError):
        error = StreamInterrupted(InterruptCause.INTERNAL)
    if isinstance(error, StreamInterrupted):
        written = estimated_tokens(call.text_length)
        call.usage = Usage(output_tokens=written, output_estimated=True)
        error = replace(error, usage=call.usage)
    return error


def _describe_defect(failure: RpcFailure, error: Exception) -> str:
    """Return what and where, for our own defects only; never the text, which may quote a prompt."""
    if failure.reason != "INTERNAL_ERROR" and isinstance(error, LlmsvcError):
        return ""
    return f"{type(error).__name__} at {place_of(error)}"


async def _end(call: Call, rules: MethodRules, context: Context, failure: RpcFailure) -> NoReturn:
    if failure.reason == "SERVER_DRAINING":
        await rules.registry.refusals.wait(call.finish_by.remaining_s() / 2)
    rules.gate.hold(call.caller, call.unsent_bytes)
    await _abort(context, failure, call.request_id)


async def _abort(context: Context, failure: RpcFailure, request_id: str) -> NoReturn:
    """Send the status, behind whatever is on its way: a caller that reads on is told."""
    try:
        await context.abort(
            status_code(failure), message_of(failure), trailers(failure, request_id)
        )
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None  # the caller is gone
