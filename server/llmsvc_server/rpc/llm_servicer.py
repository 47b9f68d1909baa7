"""Chat and ChatStream: read what is asked, call, convert."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Self

from typing_extensions import override

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import AnswerEvents, Delta, Done, pieces_in
from llmsvc_server.chat.parts import AnswerParts, PartNumbers, Piece, written_in
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.route import Route
from llmsvc_server.errors import Overloaded, StreamInterrupted
from llmsvc_server.failures import InterruptCause
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.held import HeldAnswers, Share
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.rpc.callinfo import Call, current_call
from llmsvc_server.rpc.deltas import encode_delta, encode_piece
from llmsvc_server.rpc.door.interface import Context
from llmsvc_server.rpc.headers import initial_metadata
from llmsvc_server.rpc.parsing import ParsedRequest, parse_request
from llmsvc_server.rpc.progress import Progress, StreamWriter
from llmsvc_server.rpc.timed_writer import TimedWriter
from llmsvc_server.rpc.to_proto import fill_route, response_to_proto
from llmsvc_server.rpc.unsent import Unsent
from llmsvc_server.watchdog import Watchdog


class LLMServicer(llm_pb2_grpc.LLMServiceServicer):
    """The product's service. Expects the guard around it: requests and answers are bytes."""

    def __init__(
        self,
        router: FailoverRouter,
        admission: Admission,
        *,
        held: HeldAnswers,
        unsent: Unsent,
        write_timeout_s: float,
    ) -> None:
        """Answer over `router` whoever `admission` lets in.

        Args:
            router: Answers.
            admission: Counts.
            held: Counts the answers in memory.
            unsent: Adds those that nobody reads.
            write_timeout_s: How long a message waits for a caller that does not read.
        """
        self._router = router
        self._admission = admission
        self._held = held
        self._unsent = unsent
        self._write_timeout_s = write_timeout_s
        self._writes = Watchdog()

    @override
    async def Chat(self, request: bytes, context: Context) -> bytes:  # type: ignore[override]  # see the class
        """Return one whole answer, encoded: bytes alone wait for the caller."""
        call = current_call.get()
        parsed = parse_request(request, Delivery.WHOLE, call.caller)
        del request
        self._held.check(call.caller)
        slot = self._admission.enter(call.caller, parsed.size_bytes)
        try:
            answer = await self._router.answer(parsed.chat, call.finish_by, call.receipt)
            call.usage, call.messages_sent = answer.done.usage, 1
            response = response_to_proto(
                answer.done, answer.route, call.request_id, answer.parts, call.measure()
            )
            encoded = response.SerializeToString()
            self._unsent.deliver(len(encoded), slot)
        except BaseException:
            slot.leave()
            raise
        return encoded

    @override
    def ChatStream(  # type: ignore[override]  # writes, and is no generator
        self, request: bytes, context: Context
    ) -> Awaitable[None]:
        """Return the writing of one answer while it is produced."""
        call = current_call.get()
        parsed = parse_request(request, Delivery.STREAM, call.caller)
        if parsed.progress_interval_s is None:
            return self._stream(parsed, call, context)
        progress = Progress(context, call, parsed.progress_interval_s)
        return progress.run_beside(self._stream(parsed, call, progress))

    async def _stream(self, parsed: ParsedRequest, call: Call, writer: StreamWriter) -> None:
        chat, caller = parsed.chat, call.caller
        keeping = (
            _KeptAnswer(self._held, caller) if parsed.final_message_included else nullcontext()
        )
        self._held.check(caller)
        slot = self._admission.enter(caller, parsed.size_bytes)
        del parsed  # else a prompt stays here as long as its answer takes
        try:
            with (
                TimedWriter(self._writes, writer, call, timeout_s=self._write_timeout_s) as timed,
                keeping as kept,
            ):
                write = timed.write
                async with self._router.stream(chat, call.finish_by, call.receipt) as answer:
                    del chat
                    await _start(answer.route, call, timed)
                    event, rest = answer.first, answer.rest
                    while type(event) is Delta:
                        text = event.text
                        await write(encode_delta(text))
                        call.messages_sent += 1
                        call.text_length += len(text)
                        if kept is not None:
                            kept.add(text)
                        event = await anext(rest)
                    end = await _relay_pieces(event, rest, call, write, kept)
                    await _complete(end, answer.route, call, timed, kept)
        finally:
            slot.leave()


async def _relay_pieces(
    event: Delta | Done,
    rest: AnswerEvents,
    call: Call,
    write: Callable[[bytes], Awaitable[None]],
    kept: "_KeptAnswer | None",
) -> Done:
    """Write what follows texts alone, in parts of any kind; return the answer's end."""
    numbers = PartNumbers(begins_with="" if call.text_length else None)
    while isinstance(event, Delta):
        for piece in pieces_in(event):
            await write(encode_piece(piece, numbers.take(piece)))
            call.messages_sent += 1
            if kept is not None:
                kept.add_piece(piece)
        call.text_length += len(event.text)
        event = await anext(rest)
    return event


async def _start(route: Route, call: Call, writer: StreamWriter) -> None:
    call.committed = True
    await writer.send_initial_metadata(initial_metadata(call, route))
    message = llm_pb2.ChatStreamResponse()
    message.started.request_id = call.request_id
    fill_route(message.started.route, route.trail, route)
    await writer.write(message.SerializeToString())
    call.messages_sent += 1


async def _complete(
    done: Done, route: Route, call: Call, writer: StreamWriter, kept: "_KeptAnswer | None"
) -> None:
    call.usage = done.usage
    parts = None if kept is None else kept.parts.fold()
    response = response_to_proto(done, route, call.request_id, parts, call.measure())
    await writer.write(llm_pb2.ChatStreamResponse(completed=response).SerializeToString())
    call.messages_sent += 1
    call.is_complete = True


class _KeptAnswer:
    """An answer whose whole is repeated at its end, as long as that may be."""

    def __init__(self, held: HeldAnswers, caller: str) -> None:
        self.parts = AnswerParts()
        self._share = Share(held, caller)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._share.clear()

    def add(self, text: str) -> None:
        self._count(text)
        self.parts.add_text(text)

    def add_piece(self, piece: Piece) -> None:
        self._count(written_in(piece))
        self.parts.add(piece)

    def _count(self, text: str) -> None:
        try:
            self._share.add(text)
        except Overloaded:
            raise StreamInterrupted(InterruptCause.OVERLOAD) from None
        if self._share.bytes > self._share.max_bytes:
            raise StreamInterrupted(InterruptCause.PROVIDER, phase="stream")
