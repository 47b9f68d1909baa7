"""The words in which a test tells a fake Ollama how to answer one request.

A script is any nesting of steps: `fake.will(tokens(3), gate, end(End.CUT))`. Nothing is written
before the first step that needs it, so status and headers wait for it, as on real servers.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import StrEnum

from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import NDJSON, Stage, pieces_of

Step = Callable[[Stage], Awaitable[None]]
Script = Step | Gate | Iterable["Script"]


class End(StrEnum):
    """How an answer stops."""

    CLEAN = "clean"
    CUT = "cut"
    RESET = "reset"
    HANG = "hang"


def flatten(script: Script) -> list[Step]:
    """Return the steps of a script in order."""
    if isinstance(script, Gate):
        return [wait(script)]
    if isinstance(script, Iterable):
        return [step for part in script for step in flatten(part)]
    return [script]


def wait(gate: Gate) -> Step:
    """Stop at a gate."""
    return lambda _stage: gate.passed()


def headers(
    status: int = 200, content_type: str = NDJSON, extra: Mapping[str, str] | None = None
) -> Step:
    """Send status and headers now."""
    return lambda stage: stage.start(status, content_type, extra)


def line(document: Json) -> Step:
    """Send one line of JSON as it is."""
    return lambda stage: stage.line(document)


def token(text: str, **extra: object) -> Step:
    """Send one ordinary line with content; `extra` adds keys or replaces them."""
    return lambda stage: stage.token(text, **extra)


def tokens(what: str | int) -> tuple[Step, ...]:
    """Send one line per word of a text, or that many lines "t1", " t2" and so on."""
    text = " ".join(f"t{n}" for n in range(1, what + 1)) if isinstance(what, int) else what
    return tuple(token(piece) for piece in pieces_of(text))


def done(
    reason: str = "stop", metrics: Json | None = None, text: str = "", **extra: object
) -> Step:
    """Send the final line, with text on it if given; by default with ordinary metrics."""
    counts = METRICS if metrics is None else metrics
    return lambda stage: stage.line(stage.done_line(reason, counts, text) | extra)


def error_line(text: str) -> Step:
    """Send one line that says an error, under whatever status there is."""
    return line({"error": text})


def raw(data: bytes) -> Step:
    """Put bytes on the wire as they are, without a chunk around them."""
    return lambda stage: stage.raw(data)


def body(data: bytes) -> Step:
    """Send bytes of the body as one chunk: part of a line, no JSON, anything."""
    return lambda stage: stage.write(data)


def split(data: bytes, sizes: Iterable[int]) -> tuple[Step, ...]:
    """Send bytes of the body in pieces of these sizes, the rest as the last one."""
    pieces: list[bytes] = []
    at = 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return tuple(body(piece) for piece in [*pieces, data[at:]] if piece)


def end(how: End) -> Step:
    """Stop the answer here."""

    async def stop(stage: Stage) -> None:
        match how:
            case End.CLEAN:
                await stage.finish()
            case End.CUT:
                await stage.cut(reset=False)
            case End.RESET:
                await stage.cut(reset=True)
            case End.HANG:
                await stage.hang()

    return stop


METRICS: Json = {
    "total_duration": 912_000_000,
    "load_duration": 30_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 90_000_000,
    "eval_count": 9,
    "eval_duration": 40_000_000,
}


def answer(text: str, *, reason: str = "stop") -> Step:
    """Give a whole ordinary answer, word by word, or as one object if that is asked for."""
    return lambda stage: stage.reply(pieces_of(text), stage.done_line(reason, METRICS))


def die_after(n: int, how: End) -> Script:
    """Send n tokens, then stop that way without a final line."""
    return (tokens(n), end(how))


def silent() -> Step:
    """Send nothing at all until the client leaves."""
    return end(End.HANG)


def refuse(status: int, text: str) -> Step:
    """Refuse with JSON, before any generation."""
    return lambda stage: stage.refuse(status, text)


def fail_first(status: int, text: str) -> Step:
    """Fail once the model was obtained: its first event is an error (0.10.1: under 200)."""
    return lambda stage: stage.fail_first(status, text)


def page(
    status: int, text: str, content_type: str = "text/plain", extra: Mapping[str, str] | None = None
) -> Step:
    """Answer with a page that is not Ollama's: a proxy's, a wrong address's. "" has no type."""
    return lambda stage: stage.body(text.encode(), content_type, status, extra)


def busy() -> Step:
    """Refuse because the load queue is full. Two spaces, no Retry-After."""
    return refuse(503, "server busy, please try again.  maximum pending requests exceeded")


def missing() -> Step:
    """Say that there is no such model, as the generation does."""

    async def say(stage: Stage) -> None:
        old = f"model '{stage.model}' not found"
        oldest = f'model "{stage.model}" not found, try pulling it first'
        await stage.refuse(404, oldest if stage.oldest else old)

    return say


def runner_stopped() -> Step:
    """Lose the engine before the first token."""
    return fail_first(
        500,
        "model runner has unexpectedly stopped, this may be due to resource limitations or an "
        "internal error, check ollama server logs for details",
    )


def repeat_guard() -> Step:
    """Stop for 31 equal tokens: a clean end without a final line."""
    return lambda stage: stage.reply([" again"] * 31, None)
