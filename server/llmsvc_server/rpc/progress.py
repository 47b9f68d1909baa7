"""Signs of life in a silent stream, for who asked for them. Nobody else pays for this."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Protocol

import grpc

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.events import Phase
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.headers import Metadata, initial_metadata
from llmsvc_server.rpc.to_proto import fill_durations

CLOSING_S = 1.0
"""Longest wait for the last sign of life: a caller that reads no more takes none."""

PHASES = {
    Phase.QUEUED: llm_pb2.StreamProgress.PHASE_QUEUED,
    Phase.LOADING: llm_pb2.StreamProgress.PHASE_LOADING_MODEL,
    Phase.PROVIDER: llm_pb2.StreamProgress.PHASE_WAITING_FOR_PROVIDER,
}


class StreamWriter(Protocol):
    """Where the messages of a stream go: a gRPC context, or a `Progress` in front of it."""

    def send_initial_metadata(self, initial_metadata: Metadata) -> Awaitable[None]:
        """Send the headers."""
        ...

    def write(self, message: bytes) -> Awaitable[None]:
        """Send one message, encoded."""
        ...


class Progress:
    """A writer that speaks up itself after a silence. It never writes twice at once."""

    def __init__(self, writer: StreamWriter, call: Call, interval_s: float) -> None:
        """Write to `writer`, after `interval_s` seconds of silence what `call` waits for."""
        self._writer = writer
        self._call = call
        self._interval_s = interval_s
        self._clock = call.finish_by.clock
        self._sent_s = call.began_s
        self._turn = asyncio.Lock()
        self._headers_sent = False

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Send the headers, unless a sign of life took others with it."""
        async with self._turn:
            await self._send_headers(initial_metadata)

    async def write(self, message: bytes) -> None:
        """Send one message, encoded."""
        async with self._turn:
            await self._writer.write(message)
            self._sent_s = self._clock()

    async def run_beside(self, work: Coroutine[object, object, None]) -> None:
        """Run `work`, which writes here; speak up in its silences.

        Raises:
            Exception: As `work`.
        """
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            speaker = group.create_task(self._speak())
            try:
                await work
            except Exception as error:  # noqa: BLE001  raised below: the group would wrap it
                failure = error
            finally:
                await self._end(speaker)
        if failure is not None:
            raise failure

    async def _end(self, speaker: asyncio.Task[None]) -> None:
        # A cancelled write kills the call (docs/facts/grpc-aio.md 3), and its status with it.
        try:
            async with asyncio.timeout(CLOSING_S), self._turn:
                speaker.cancel()
        except TimeoutError:
            speaker.cancel()

    async def _speak(self) -> None:
        while True:
            silent_s = self._clock() - self._sent_s
            if silent_s < self._interval_s:
                await asyncio.sleep(self._interval_s - silent_s)
                continue
            async with self._turn:
                if self._call.usage is not None:
                    return  # nothing follows the end
                if self._clock() - self._sent_s < self._interval_s:
                    continue
                try:
                    await self._send_headers(initial_metadata(self._call, None))
                    await self._writer.write(self._encode())
                except grpc.aio.InternalError:
                    return  # the caller is gone
                self._sent_s = self._clock()
                self._call.messages_sent += 1

    async def _send_headers(self, metadata: Metadata) -> None:
        if not self._headers_sent:
            self._headers_sent = True
            await self._writer.send_initial_metadata(metadata)

    def _encode(self) -> bytes:
        progress = llm_pb2.StreamProgress()
        fill_durations((progress.elapsed_duration, self._call.measure().total_s))
        receipt = self._call.receipt
        if receipt.route is not None:
            progress.phase = llm_pb2.StreamProgress.PHASE_GENERATING
            progress.target.provider = receipt.route.provider.name
            progress.target.model = receipt.route.model
        elif receipt.target is not None and receipt.phase is not None:
            progress.phase = PHASES[receipt.phase]
            if receipt.phase is not Phase.QUEUED:
                progress.target.provider = receipt.target.name
                progress.target.model = receipt.model
        return llm_pb2.ChatStreamResponse(progress=progress).SerializeToString()
