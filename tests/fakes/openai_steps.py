"""The words in which a test tells a fake OpenAI-compatible server how to answer one request.

A script is any nesting of steps: `fake.will(role(), tokens(3), gate, end(End.CUT))`. Nothing is
written before the first step that needs it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import pieces_of
from tests.fakes.ollama_steps import End
from tests.fakes.openai_stage import STREAM, Stage, event_of

Step = Callable[[Stage], Awaitable[None]]
Script = Step | Gate | Iterable["Script"]

USAGE: Json = {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}


def flatten(script: Script) -> list[Step]:
    """Return the steps of a script in order."""
    if isinstance(script, Gate):
        return [lambda _stage: script.passed()]
    if isinstance(script, Iterable):
        return [step for part in script for step in flatten(part)]
    return [script]


def headers(
    status: int = 200, content_type: str = STREAM, extra: Mapping[str, str] | None = None
) -> Step:
    """Send status and headers now."""
    return lambda stage: stage.start(status, content_type, extra)


def piece(delta: Json, **extra: object) -> Step:
    """Send one chunk with this delta; `extra` adds keys to it."""
    return lambda stage: stage.chunk({"delta": delta, "finish_reason": None}, **extra)


def role() -> Step:
    """Send the chunk without content with which most servers begin."""
    return piece({"role": "assistant", "content": ""})


def token(text: str, **extra: object) -> Step:
    """Send one ordinary chunk with content."""
    return piece({"content": text}, **extra)


def tokens(what: str | int) -> tuple[Step, ...]:
    """Send one chunk per word of a text, or that many chunks "t1", " t2" and so on."""
    text = " ".join(f"t{n}" for n in range(1, what + 1)) if isinstance(what, int) else what
    return tuple(token(part) for part in pieces_of(text))


def tool_call(
    name: str,
    arguments: str = "{}",
    *,
    call_id: str = "",
    index: int = 0,
    size: int = 8,
) -> tuple[Step, ...]:
    """Send one call: its head, then its arguments, so many characters a chunk."""
    known = {"id": call_id} if call_id else {}
    function = {"name": name, "arguments": ""}
    head: Json = {"index": index, **known, "type": "function", "function": function}
    cut = (arguments[at : at + size] for at in range(0, len(arguments), size))
    more = ({"index": index, "function": {"arguments": one}} for one in cut)
    return tuple(piece({"tool_calls": [one]}) for one in (head, *more))


def finish(reason: str = "stop", *, extra: Json | None = None, **choice: object) -> Step:
    """Send the chunk that says why the answer ended."""
    ending: Json = {"delta": {}, "finish_reason": reason, **choice}
    return lambda stage: stage.chunk(ending, **(extra or {}))


def usage(counts: Json | None = None) -> Step:
    """Send the chunk without a choice that says the usage, an ordinary one by default."""
    return lambda stage: stage.chunk(None, usage=USAGE if counts is None else counts)


def done() -> Step:
    """Send the marker after which nothing comes."""
    return body(b"data: [DONE]\n\n")


def comment(text: str) -> Step:
    """Send a comment, as OpenRouter does to keep a connection open."""
    return body(b": " + text.encode() + b"\n\n")


def event(document: object) -> Step:
    """Send one event with this document, whatever it is."""
    return body(event_of(document))


def error_event(message: str, **error: object) -> Step:
    """Send an event that says an error."""
    return event({"error": {"message": message, **error}})


def body(data: bytes) -> Step:
    """Send bytes of the body as one chunk: part of an event, no JSON, anything."""
    return lambda stage: stage.write(data)


def answer(text: str, *, reason: str = "stop", counts: Json | None = None) -> Script:
    """Give a whole ordinary stream, word by word."""
    return (role(), tokens(text), finish(reason), usage(counts), done())


def refuse(
    status: int, message: str = "", *, extra: Mapping[str, str] | None = None, **error: object
) -> Step:
    """Refuse with the usual error object."""
    return lambda stage: stage.whole({"error": {"message": message, **error}}, status, extra)


def reply(document: object, status: int = 200) -> Step:
    """Answer with one JSON document."""
    return lambda stage: stage.whole(document, status)


def page(
    status: int, text: str, content_type: str = "text/plain", extra: Mapping[str, str] | None = None
) -> Step:
    """Answer with a page that is not the server's own. "" has no type."""
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
