"""What upstreams say that want to keep a server busy, and a server that asks them."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping

import grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.raw_answers import JSON, MODEL, NDJSON, SSE, response, tags
from tests.fakes.raw_upstream import Asked

PATIENCE_S = 1.0

Pieces = Callable[[], Iterator[bytes]]


def endless(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece * max(1, 65_536 // len(piece)))


def head(content_type: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def streamed(content_type: str, piece: bytes, bytes_in_all: int = 4 * 2**20) -> Pieces:
    """Return a body of one piece over and over, in chunks as large as can be, that is cut."""
    block = chunk(piece * max(1, 65_536 // len(piece)))
    return lambda: itertools.chain(
        [head(content_type)], itertools.repeat(block, max(1, bytes_in_all // len(block)))
    )


def whole(content_type: str, body: bytes) -> Pieces:
    """Return a response that is complete."""
    return lambda: iter([head(content_type), chunk(body), b"0\r\n\r\n"])


SEVEN_MIB = 7 * 2**20
CONTENT = b'{"message":{"content":"a"}}\n'
EVENT = b'data:{"choices":[{"delta":{"content":"a"}}]}\n\n'
TINY = b"".join(chunk(bytes([letter])) for letter in CONTENT)
DONE = b'{"message":{"content":"a"},"done":true,"done_reason":"stop"}\n'

BEFORE: Mapping[str, Pieces] = {
    "endless 100 Continue": lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100,000 times 102": lambda: iter([b"HTTP/1.1 102 Processing\r\n\r\n" * 100_000]),
    "endless 103 with hints": lambda: endless(
        b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </style.css>\r\n" * 100 + b"\r\n"
    ),
    "an upgrade, and more": lambda: itertools.chain(
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"], endless(b"x")
    ),
    "endless blank lines": lambda: endless(b"\r\n"),
    "a head of 8 MiB": lambda: iter(
        [b"HTTP/1.1 200 OK\r\n", *(b"X: " + b"\xff" * 65_000 + b"\r\n" for _ in range(127))]
    ),
    "128 cookies of 64 KiB": lambda: iter(
        [b"HTTP/1.1 200 OK\r\n"]
        + [b"Set-Cookie: " + b"a=b; " * 12_000 + b"\r\n" for _ in range(126)]
        + [b"\r\n"]
    ),
}
FRAMING: Mapping[str, Pieces] = {
    "chunks of a byte": lambda: itertools.chain([head(NDJSON)], itertools.repeat(TINY * 1_000, 24)),
    "an endless chunk extension": lambda: itertools.chain(
        [head(NDJSON), b"1;"], endless(b"x" * 64)
    ),
    "endless trailers": lambda: itertools.chain(
        [head(NDJSON), chunk(CONTENT), b"0\r\n"], endless(b"X: y\r\n")
    ),
    "an answer, and more behind it": lambda: itertools.chain(
        [response(DONE, NDJSON)], endless(response(DONE, NDJSON))
    ),
}
LINES: Mapping[str, Pieces] = {
    "lines of nothing": streamed(NDJSON, b"\n"),
    "the shortest lines": streamed(NDJSON, CONTENT),
    "lines that are no JSON": streamed(NDJSON, b"x\n"),
    "lines behind the end": lambda: itertools.chain(
        [head(NDJSON), chunk(DONE)], itertools.repeat(chunk(b"x\n" * 32_768), 64)
    ),
    "a line of 7 MiB of lists": whole(
        NDJSON, b'{"message":{"tool_calls":[[]' + b",[]" * (SEVEN_MIB // 3) + b"]}}\n"
    ),
    "a line of 7 MiB of numbers": whole(
        NDJSON, b'{"message":{"content":"a"},"done":[1.5' + b",1.5" * (SEVEN_MIB // 4) + b"]}\n"
    ),
    "a line of 2 MiB of text": whole(
        NDJSON, b'{"message":{"content":"' + b"\\u00e9" * (2**21 // 6) + b'"}}\n'
    ),
    "a line of halves of characters": whole(
        NDJSON, b'{"message":{"content":"' + b"\\ud83d" * 85_000 + b'"}}\n'
    ),
    "a line of their bytes": whole(
        NDJSON, b'{"message":{"content":"' + b"\xed\xa0\xbd" * 170_000 + b'"}}\n'
    ),
    "a line of 8 MiB": streamed(NDJSON, b"x" * 65_536, 9 * 2**20),
}
EVENTS: Mapping[str, Pieces] = {
    "events of nothing": streamed(SSE, b"\n"),
    "comments": streamed(SSE, b":\n"),
    "empty data": streamed(SSE, b"data\n"),
    "an event of short lines": streamed(SSE, b"data:xy\n", 10 * 2**20),
    "the shortest events": streamed(SSE, EVENT),
    "an event of 7 MiB of lists": whole(
        SSE,
        b'data:{"choices":[{"delta":{"tool_calls":[[]' + b",[]" * (SEVEN_MIB // 3) + b"]}}]}\n\n",
    ),
    "a list of 7 MiB as an answer": whole(
        JSON, b'{"choices":[{"message":{"content":[[]' + b",[]" * (SEVEN_MIB // 3) + b"]}}]}"
    ),
    "line ends of every kind": streamed(SSE, b"\r\n\r\r\n"),
}
GROUPS: Mapping[str, tuple[str, Mapping[str, Pieces]]] = {
    "before the answer": ("ollama", BEFORE),
    "framing": ("ollama", FRAMING),
    "lines": ("ollama", LINES),
    "events": ("openai", EVENTS),
}
"""What the upstream is taken for, and its attacks by name."""

ATTACKS: Mapping[str, tuple[str, Pieces]] = {
    name: (kind, pieces) for kind, attacks in GROUPS.values() for name, pieces in attacks.items()
}
NAMES = {f"attack_{number}": name for number, name in enumerate(ATTACKS)}
ENTRIES = {name: entry for entry, name in NAMES.items()}


async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer looks well, and chats with the attack that the path names."""
    _, entry, *rest = asked.path.split("/")
    if "chat" not in rest:
        models = b'{"object":"list","data":[{"id":"%s"}]}' % MODEL.encode()
        writer.write(response(models if "v1" in rest else tags(MODEL)))
        return
    _, pieces = ATTACKS[NAMES[entry]]
    for piece in pieces():
        writer.write(piece)
        await writer.drain()
    writer.close()


def settings(base_url: str) -> dict[str, object]:
    """Return the configuration of a server with one provider for each attack.

    Args:
        base_url: Where `say` answers.
    """
    entries = {
        entry: {
            "kind": kind,
            "base_url": f"{base_url}/{entry}" + ("/v1" if kind == "openai" else ""),
            "model": MODEL,
            **({"local": True} if kind == "openai" else {}),
        }
        for entry, (kind, _) in zip(NAMES, ATTACKS.values(), strict=True)
    }
    llm = {"providers": entries, "default_provider": "attack_0"}
    return {"llm": llm, "health": {"refresh_s": 300}}


async def ask(channel: grpc.aio.Channel, entry: str) -> str:
    """Ask one provider and read to the end; return how it ended."""
    request = llm_pb2.ChatRequest(
        messages=[llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=[llm_pb2.ContentPart(text="hi")])],
        routing_policy=llm_pb2.RoutingPolicy(targets=[llm_pb2.RouteTarget(provider=entry)]),
    )
    stub = llm_pb2_grpc.LLMServiceStub(channel)
    try:
        async for _ in stub.ChatStream(request, timeout=PATIENCE_S):
            pass
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"
