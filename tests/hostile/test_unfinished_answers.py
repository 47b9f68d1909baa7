"""Upstreams that begin what they do not end: long lines, events, bodies and lists, all at once."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.config.memory import MAX_UNFINISHED_BYTES, UNFINISHED_FACTOR
from tests.contract.told import told
from tests.fakes.eventually import eventually
from tests.fakes.raw_answers import JSON, MODEL, NDJSON, SSE, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.fakes.requests import chat_message
from tests.hostile.attacks import chunk, head
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server

MIB = 2**20
CHATS = 64
BLOCK_BYTES = 65_536
LONG_BYTES = 8 * MIB - 2 * BLOCK_BYTES
PATIENCE_S = 30
SHORT = "nothing long"


@dataclass(frozen=True, slots=True)
class Attack:
    """What one kind of upstream says: how it begins, and what it repeats, without an end."""

    kind: str
    content_type: str
    opening: bytes
    again: bytes
    repeated_bytes: int = LONG_BYTES

    def pieces(self) -> Iterator[bytes]:
        """Yield all of it."""
        yield head(self.content_type) + chunk(self.opening)
        block = chunk(self.again * (BLOCK_BYTES // len(self.again)))
        yield from itertools.repeat(block, self.repeated_bytes // BLOCK_BYTES)


ATTACKS: Mapping[str, Attack] = {
    SHORT: Attack("ollama", NDJSON, b'{"message":{"content":"', b"x", BLOCK_BYTES),
    "a line": Attack("ollama", NDJSON, b'{"message":{"content":"', b"x"),
    "a body of no lines": Attack("ollama", NDJSON, b"{\n", b" \n"),
    "an event's line": Attack("openai", SSE, b"data: ", b"x"),
    "an event of lines": Attack("anthropic", SSE, b"event: x\n", b"data: " + b"x" * 500 + b"\n"),
    "an event of short lines": Attack("openai", SSE, b": x\n", b"data:xy\n", 380_000),
    "a body": Attack("openai", JSON, b'{"choices":"', b"x"),
    "a message": Attack("anthropic", JSON, b'{"content":"', b"x"),
}


NAMES = {f"attack_{number}": name for number, name in enumerate(ATTACKS)}


class Upstreams:
    """Say one attack to each chat, by its provider, and hold the connection until the end.

    Attributes:
        said: How many chats have heard all of it, or were closed.
    """

    def __init__(self) -> None:
        """Have said nothing."""
        self.said = 0
        self.over = asyncio.Event()

    async def say(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if "chat" not in asked.path and "messages" not in asked.path:
            models = b'{"object":"list","data":[{"id":"%s"}]}' % MODEL.encode()
            writer.write(response(models if "v1" in asked.path else tags(MODEL)))
            return
        try:
            for piece in ATTACKS[NAMES[asked.path.split("/")[1]]].pieces():
                writer.write(piece)
                await writer.drain()
        finally:
            self.said += 1
        await self.over.wait()


def settings(base_url: str) -> dict[str, object]:
    """Return the configuration of a server with one provider for each attack."""
    providers: dict[str, dict[str, object]] = {}
    for entry, name in NAMES.items():
        kind, url = ATTACKS[name].kind, f"{base_url}/{entry}"
        own: Mapping[str, dict[str, object]] = {
            "ollama": {"base_url": url, "max_in_flight_per_model": CHATS},
            "openai": {"base_url": f"{url}/v1", "local": True},
            "anthropic": {"base_url": url, "api_key": "k"},
        }
        providers[entry] = {"kind": kind, "model": MODEL, "max_in_flight": CHATS, **own[kind]}
    sequence, default = list(providers)[1:], "attack_0"
    llm = {"providers": providers, "default_provider": default, "fallback_sequence": sequence}
    return {"llm": llm, "health": {"refresh_s": 300}}


async def end_of(channel: grpc.aio.Channel, provider: str) -> str:
    """Ask a provider; return how that ended, or that it had not when nobody waited any more."""
    request = chat_message()
    request.routing_policy.targets.append(llm_pb2.RouteTarget(provider=provider))
    try:
        await llm_pb2_grpc.LLMServiceStub(channel).Chat(request, timeout=PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name} {told(error).metadata.get('cause', '')}".strip()
    except asyncio.CancelledError:
        return "went on"
    return "OK"


def is_one_done(calls: Sequence["asyncio.Task[str]"]) -> bool:
    """Return whether one of the calls is over."""
    return any(call.done() for call in calls)


async def test_what_has_no_end_takes_no_more_than_its_place(
    tmp_path: Path, figures: Figures
) -> None:
    most = MAX_UNFINISHED_BYTES * UNFINISHED_FACTOR / MIB
    upstreams = Upstreams()
    ends: dict[str, Counter[str]] = {}
    async with (
        RawUpstream(upstreams.say) as raw,
        measured_server(tmp_path, settings(raw.base_url)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        before = server.memory.resident_bytes
        for provider, name in NAMES.items():
            upstreams.said = 0
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(end_of(channel, provider)) for _ in range(CHATS)]
                await eventually(lambda: upstreams.said == CHATS, within_s=PATIENCE_S)
                if name == SHORT:
                    before = server.memory.resident_bytes
                else:  # what was said may still be on its way
                    await eventually(partial(is_one_done, calls), within_s=PATIENCE_S)
                for call in calls:
                    call.cancel()
            ends[name] = Counter(call.result() for call in calls)
        upstreams.over.set()
        grown = (server.memory.peak_bytes - before) / MIB

    figures(f"{CHATS} answers without an end, more resident", grown, most, "MiB")
    assert grown <= most
    assert {"went on": CHATS} == ends.pop(SHORT)
    # Those that have little go on, each time anew: what has ended is counted no more.
    assert all({"RESOURCE_EXHAUSTED unfinished", "went on"} == set(end) for end in ends.values())
    assert server.process.events("server.exhausted")
    assert not server.process.events("breaker.changed")
