"""Chat and ChatStream: check, convert, call, convert."""

from contextlib import aclosing

from typing_extensions import override

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta, Done, Started
from llmsvc_server.chat.fold import fold
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import InterruptCause, StreamInterrupted
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.commit import MAX_WHOLE_BYTES
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.rpc.aio import Context
from llmsvc_server.rpc.callinfo import Call, current_call
from llmsvc_server.rpc.checks import check_chat
from llmsvc_server.rpc.from_proto import chat_from_proto
from llmsvc_server.rpc.to_proto import response_to_proto, route_to_proto


class LLMServicer(llm_pb2_grpc.LLMServiceServicer):
    """The product's service. Expects the guard around it."""

    def __init__(self, router: FailoverRouter, admission: Admission) -> None:
        """Answer over `router` whoever `admission` lets in."""
        self._router = router
        self._admission = admission

    @override
    async def Chat(self, request: llm_pb2.ChatRequest, context: Context) -> llm_pb2.ChatResponse:
        """Return one whole answer."""
        call = current_call.get()
        check_chat(request)
        chat = chat_from_proto(request, Delivery.WHOLE)
        with self._admission.slot():
            async with aclosing(self._router.stream_chat(chat, call.finish_by)) as events:
                reply = await fold(events)
        call.route, call.usage, call.messages_sent = reply.route, reply.done.usage, 1
        return response_to_proto(reply.done, reply.route, call.request_id, reply.text)

    @override
    async def ChatStream(  # type: ignore[override]  # a coroutine that writes, not a generator
        self, request: llm_pb2.ChatRequest, context: Context
    ) -> None:
        """Write one answer while it is produced."""
        call = current_call.get()
        check_chat(request)
        chat = chat_from_proto(request, Delivery.STREAM)
        kept = _Kept() if request.stream_options.final_message_included else None
        message = llm_pb2.ChatStreamResponse()
        delta = message.delta  # one message for the whole stream: write() serialises it at once
        with self._admission.slot():
            async with aclosing(self._router.stream_chat(chat, call.finish_by)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        if not event.text:
                            continue
                        delta.text = event.text
                        await context.write(message)
                        call.messages_sent += 1
                        if kept is not None:
                            kept.add(event.text, call)
                    elif isinstance(event, Started):
                        await _start(event, call, context)
                    else:
                        await _complete(event, call, context, kept)
        if call.usage is None:
            raise RuntimeError("an answer stopped without its end")


async def _start(started: Started, call: Call, context: Context) -> None:
    call.route, call.committed = started.route, True
    call.first_content_s = call.finish_by.clock() - call.began_s
    await context.write(
        llm_pb2.ChatStreamResponse(
            started=llm_pb2.StreamStarted(
                request_id=call.request_id, route=route_to_proto(started.route)
            )
        )
    )
    call.messages_sent += 1


async def _complete(done: Done, call: Call, context: Context, kept: "_Kept | None") -> None:
    assert call.route is not None  # noqa: S101  the router's promise, checked by its tests
    call.usage = done.usage
    text = None if kept is None else "".join(kept.pieces)
    await context.write(
        llm_pb2.ChatStreamResponse(
            completed=response_to_proto(done, call.route, call.request_id, text)
        )
    )
    call.messages_sent += 1


class _Kept:
    """The pieces of an answer whose whole is repeated at its end, as long as that may be."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._bytes = 0

    def add(self, text: str, call: Call) -> None:
        self._bytes += len(text.encode())
        if self._bytes > MAX_WHOLE_BYTES and call.route is not None:
            raise StreamInterrupted(InterruptCause.PROVIDER, call.route, phase="stream")
        self.pieces.append(text)
