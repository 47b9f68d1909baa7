"""What the servers of this folder serve: a method for each thing that a door must do."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

import grpc

from llmsvc_server.rpc.door.interface import Context, Handler

SERVICE = "tests.Door"
LONG_S = 3_600


class Request:
    """One that a method has read: whoever holds the method's frame holds it."""

    def __init__(self, raw: bytes) -> None:
        """Keep its bytes."""
        self.raw = raw


class Methods:
    """The methods, and how often they ran to which end."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._requests = WeakSet[Request]()
        self._running: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers, by name of method."""
        unary, stream = (
            grpc.stream_unary_rpc_method_handler,
            grpc.stream_stream_rpc_method_handler,
        )
        return {
            "Echo": unary(self.echo),
            "Facts": unary(self.facts),
            "Refuse": unary(self.refuse),
            "Seen": unary(self.seen),
            "Count": stream(self.count),
            "Each": stream(self.each),
            "Wait": unary(self.wait),
            "WriteAndWait": stream(self.write_and_wait),
            "Flood": stream(self.flood),
            "GiveUp": stream(self.give_up),
        }

    async def echo(self, _requests: object, context: Context) -> bytes:
        """Return the request, the caller's "say" as a trailer."""
        with self._noted("Echo"):
            raw = await context.read()
            said = dict(context.invocation_metadata() or ()).get("say", "nothing")
            context.set_trailing_metadata((("said", said), ("said-bin", b"\x00\xff")))
            return b"no request" if raw is grpc.aio.EOF else bytes(raw)

    async def facts(self, _requests: object, context: Context) -> bytes:
        """Return what the call says of itself."""
        await context.read()
        metadata = [
            (key, value if isinstance(value, str) else value.hex())
            for key, value in context.invocation_metadata() or ()
        ]
        facts = {
            "peer": context.peer(),
            "time_remaining_s": context.time_remaining(),
            "metadata": metadata,
        }
        return json.dumps(facts).encode()

    async def refuse(self, _requests: object, context: Context) -> bytes:
        """End with a status that the request names, an error's text and trailers."""
        code = grpc.StatusCode[(await context.read()).decode()]
        await context.abort(code, "no: naïve", (("why", "because"),))

    async def seen(self, _requests: object, context: Context) -> bytes:
        """Return what runs, what came past its first wait, and what ended how."""
        await context.read()
        held = {"requests": len(self._requests)}
        seen = {
            "running": self._running,
            "passed": self._passed,
            "ended": self._ended,
            "held": held,
        }
        return json.dumps(seen).encode()

    async def count(self, _requests: object, context: Context) -> None:
        """Write as many messages as the request says, headers before and a trailer behind."""
        with self._noted("Count"):
            number = int(await context.read())
            await context.send_initial_metadata((("first", "header"),))
            context.set_trailing_metadata((("last", "trailer"),))
            for one in range(number):
                await context.write(str(one).encode())

    async def each(self, _requests: object, context: Context) -> None:
        """Write back each request; refuse one that says so."""
        with self._noted("Each"):
            while (raw := await context.read()) is not grpc.aio.EOF:
                if raw == b"refuse":
                    await context.abort(grpc.StatusCode.ABORTED, "as asked")
                await context.write(raw)

    async def wait(self, _requests: object, context: Context) -> bytes:
        """Wait for ever, once the request is there."""
        with self._noted("Wait"):
            request = Request(await context.read())
            self._requests.add(request)
            self._passed["Wait"] += 1
            limit = asyncio.timeout(LONG_S)  # it knows its task, as a call's limits do
            async with limit:
                await asyncio.Event().wait()
            raise AssertionError("for ever is over")

    async def write_and_wait(self, _requests: object, context: Context) -> None:
        """Write once, and wait for ever."""
        with self._noted("WriteAndWait"):
            await context.read()
            await context.write(b"here")
            await asyncio.Event().wait()

    async def flood(self, _requests: object, context: Context) -> None:
        """Write messages of 64 KiB, as many as the request says."""
        with self._noted("Flood"):
            for _ in range(int(await context.read())):
                await context.write(bytes(65_536))
                self._passed["Flood"] += 1

    async def give_up(self, _requests: object, context: Context) -> None:
        """Write until one message takes too long, then say so behind it."""
        with self._noted("GiveUp"):
            await context.read()
            try:
                while True:
                    async with asyncio.timeout(0.2):
                        await context.write(bytes(65_536))
            except TimeoutError:
                self._passed["GiveUp"] += 1
                await context.abort(grpc.StatusCode.ABORTED, "read faster")

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        self._running[name] += 1
        end = "returned"
        try:
            yield
        except asyncio.CancelledError:
            end = "cancelled"
            raise
        except grpc.aio.AbortError:
            end = "refused"
            raise
        except grpc.aio.InternalError:
            end = "cancelled"  # on a write
            raise
        finally:
            self._running[name] -= 1
            self._ended[f"{name} {end}"] += 1
