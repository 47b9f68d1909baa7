"""One call through a socket, before the in-loop door is trusted with a caller's.

The caller is a bare HTTP/2 one: a gRPC client of ours would poll gRPC's epoll descriptor too, and
take from the loop what it is to prove that it gets.
"""

import asyncio
import secrets
import socket
import struct

import grpc

from llmsvc_server.rpc.door.in_loop import InLoopDoor
from llmsvc_server.rpc.door.interface import Context, Handler, NoGuard, NoSuchDoor
from llmsvc_server.rpc.door.pump import LoopPump

LIMIT_S = 4.0
"""It takes some 5 ms, and longer on a machine that starts much else. A call that gRPC's epoll descriptor
does not wake the loop for never arrives: until its answer is there, nothing ticks."""

METHOD = "/llmsvc.SelfTest/Echo"
MESSAGE = secrets.token_bytes(64)

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct(">BHBBI")
"""Of a frame (RFC 9113, 4.1): length in two parts, type, flags, stream."""
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS, _STREAM = 0x1, 0x4, 1
_MESSAGE_HEAD = struct.Struct(">BI")
"""Of a gRPC message: compressed or not, and its length."""


async def open_tested() -> InLoopDoor:
    """Return the in-loop door of this process, after a call through it.

    Raises:
        NoSuchDoor: gRPC's completion queue can't be watched, or the call did not go through.
    """
    pump = LoopPump()
    try:
        await run_self_test(pump)
    except Exception:
        pump.close()
        raise
    return InLoopDoor(pump)


async def run_self_test(pump: LoopPump) -> None:
    """Return if a call went through, its arrival and its answer found by wakes of the loop alone.

    From then on the pump ticks: a connection's end is completed by gRPC's own threads, which wake nobody.

    Raises:
        NoSuchDoor: It did not; the text says how far it came.
    """
    arrived = asyncio.Event()

    async def echo(_requests: object, context: Context) -> object:
        arrived.set()
        return await context.read()

    _, _, method = METHOD.rpartition("/")
    server = InLoopDoor(pump).make_server(NoGuard(), ())
    handlers: dict[str, Handler] = {method: grpc.stream_unary_rpc_method_handler(echo)}
    server.add_registered_method_handlers(METHOD.strip("/").partition("/")[0], handlers)
    # In Linux's abstract namespace: no port, no file, and gone with its listener.
    name = f"llmsvc-{secrets.token_hex(8)}"
    stage = "listening"
    try:
        server.add_insecure_port(f"unix-abstract:{name}")
        await server.start()
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await _connect(name)
            try:
                stage = "the call's arrival"
                writer.write(_PREFACE + _make_frame(_SETTINGS, 0, b"", stream=0))
                writer.write(_make_frame(_HEADERS, _END_HEADERS, _make_headers()))
                await arrived.wait()
                stage = "its answer"
                message = _MESSAGE_HEAD.pack(0, len(MESSAGE)) + MESSAGE
                writer.write(_make_frame(_DATA, _END_STREAM, message))
                _ = (await _read_answer(reader)).index(message)  # raises if another one came
            finally:
                writer.close()
            stage = "its end"
            pump.begin_ticking()
            await server.stop(None)
    except Exception as error:  # noqa: BLE001  whatever it is, there is the other door
        why = f"its self-test failed: {type(error).__name__} while waiting for {stage}"
        raise NoSuchDoor(why) from None


async def _connect(name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(0)
    one.connect(f"\0{name}")  # by hand: libuv knows no abstract names; a Unix socket never waits
    return await asyncio.open_unix_connection(sock=one)


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of all data of the call, up to its end."""
    data = b""
    while True:
        high, low, kind, flags, stream = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        payload = await reader.readexactly(high << 16 | low)
        if stream == _STREAM:
            data += payload if kind == _DATA else b""
            if flags & _END_STREAM and kind in {_DATA, _HEADERS}:
                return data


def _make_frame(kind: int, flags: int, payload: bytes, *, stream: int = _STREAM) -> bytes:
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def _make_headers() -> bytes:
    """Return a header block of literals (RFC 7541, 6.2.2)."""
    block = b"\x83\x86"  # :method POST, :scheme http
    for name, value in (
        (":path", METHOD),
        (":authority", "self-test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ):
        block += b"\x00"
        for text in (name, value):
            block += bytes([len(text)]) + text.encode()
    return block
