"""The words in which a test tells a fake Anthropic how to answer one request.

A script is any nesting of steps: `fake.will(start(), tokens(3), gate, end(End.CUT))`. Nothing is
written before the first step that needs it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from tests.fakes.anthropic_stage import Stage, error_of, event_of
from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import pieces_of
from tests.fakes.ollama_steps import End

Step = Callable[[Stage], Awaitable[None]]
Script = Step | Gate | Iterable["Script"]

INPUT: Json = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 4,
    "cache_read_input_tokens": 2,
    "output_tokens": 1,
    "service_tier": "standard",
}
"""The usage with which an ordinary answer begins: 26 tokens of input."""

OUTPUT: Json = {"output_tokens": 9}


def flatten(script: Script) -> list[Step]:
    """Return the steps of a script in order."""
    if isinstance(script, Gate):
        return [lambda _stage: script.passed()]
    if isinstance(script, Iterable):
        return [step for part in script for step in flatten(part)]
    return [script]


def event(name: str, document: Json | None = None) -> Step:
    """Send one event, whatever it is."""
    return body(event_of(name, document or {}))


def body(data: bytes) -> Step:
    """Send bytes of the body as one chunk: part of an event, no JSON, anything."""
    return lambda stage: stage.write(data)


def message_start(usage: Json | None = None) -> Step:
    """Send the event with which every answer begins."""
    return lambda stage: stage.write(
        event_of("message_start", {"message": {**stage.message, "usage": usage or INPUT}})
    )


def block_start(kind: str = "text", index: int = 0, **extra: object) -> Step:
    """Send the beginning of a block."""
    block = {"type": kind, **({"text": ""} if kind == "text" else {}), **extra}
    return event("content_block_start", {"index": index, "content_block": block})


def block_delta(delta: Json, index: int = 0) -> Step:
    """Send more of a block."""
    return event("content_block_delta", {"index": index, "delta": delta})


def block_stop(index: int = 0) -> Step:
    """Send the end of a block."""
    return event("content_block_stop", {"index": index})


def start() -> Script:
    """Begin an ordinary answer, up to its first text."""
    return (message_start(), block_start(), ping())


def token(text: str) -> Step:
    """Send one ordinary piece of text."""
    return block_delta({"type": "text_delta", "text": text})


def tokens(what: str | int) -> tuple[Step, ...]:
    """Send one piece per word of a text, or that many pieces "t1", " t2" and so on."""
    text = " ".join(f"t{n}" for n in range(1, what + 1)) if isinstance(what, int) else what
    return tuple(token(part) for part in pieces_of(text))


def thought(text: str) -> Script:
    """Send a whole block of thinking."""
    return (
        block_start("thinking", thinking="", signature=""),
        block_delta({"type": "thinking_delta", "thinking": text}),
        block_delta({"type": "signature_delta", "signature": "c2ln"}),
        block_stop(),
    )


def tool_use(name: str, *pieces: str, call_id: str = "toolu_1", index: int = 1) -> Script:
    """Send a whole block of a call, its arguments in pieces; the first is empty, as usual."""
    deltas = [
        block_delta({"type": "input_json_delta", "partial_json": piece}, index)
        for piece in ("", *pieces)
    ]
    return (
        block_start("tool_use", index, id=call_id, name=name, input={}),
        *deltas,
        block_stop(index),
    )


def ping() -> Step:
    """Send what keeps connections open."""
    return event("ping")


def message_delta(
    reason: str | None = "end_turn", sequence: str | None = None, usage: Json | None = None
) -> Step:
    """Send why the answer ended, and its usage."""
    ending = {"stop_reason": reason, "stop_sequence": sequence}
    return event("message_delta", {"delta": ending, "usage": usage or OUTPUT})


def message_stop() -> Step:
    """Send the event after which nothing comes."""
    return event("message_stop")


def finish(reason: str = "end_turn", sequence: str | None = None) -> Script:
    """End an ordinary answer, after its last text."""
    return (block_stop(), message_delta(reason, sequence), message_stop())


def answer(text: str) -> Script:
    """Give a whole ordinary stream, word by word."""
    return (start(), tokens(text), finish())


def error_event(kind: str, message: str = "upstream words", **error: object) -> Step:
    """Send an error under 200."""
    return event("error", error_of(kind, message, **error))


def headers(status: int = 200, content_type: str = "text/event-stream") -> Step:
    """Send status and headers now."""
    return lambda stage: stage.start(status, content_type)


def refuse(
    status: int,
    kind: str,
    message: str = "upstream words",
    *,
    extra: Mapping[str, str] | None = None,
    **error: object,
) -> Step:
    """Refuse with the usual error object; `extra` are headers."""
    return lambda stage: stage.whole(error_of(kind, message, **error), status, extra)


def reply(document: object, status: int = 200) -> Step:
    """Answer with one JSON document."""
    return lambda stage: stage.whole(document, status)


def page(
    status: int, text: str, content_type: str = "text/plain", extra: Mapping[str, str] | None = None
) -> Step:
    """Answer with a page that is not the vendor's own. "" has no type."""
    return lambda stage: stage.page(text.encode(), content_type, status, extra)


def end(how: End) -> Step:
    """Stop the answer here."""

    async def stop(stage: Stage) -> None:
        match how:
            case End.CLEAN:
                await stage.finish()
            case End.HANG:
                await stage.hang()
            case End.CUT | End.RESET:
                await stage.cut(reset=how is End.RESET)

    return stop


def silent() -> Step:
    """Send nothing at all until the client leaves."""
    return end(End.HANG)
