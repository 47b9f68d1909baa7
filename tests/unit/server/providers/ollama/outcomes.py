"""What becomes of an answer's bytes, however the network cuts them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmsvc_server.chat.events import Delta, Done, SignOfLife
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.ollama.reader import OllamaReader
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from tests.fakes.unfinished import tails


@dataclass(frozen=True, slots=True)
class Outcome:
    """All text, and how it ended: well, or with a row of docs/failover.md 2.2 and a phase."""

    text: str
    done: Done | None = None
    row: str = ""
    phase: str = ""


def events_of(
    pieces: Iterable[bytes],
    *,
    window_tokens: int | None = None,
    calls: ToolCalls | None = None,
) -> Iterator[Delta | SignOfLife | Done]:
    """Yield the events of an answer that comes in these reads.

    Raises:
        ProviderError: As the reader.
    """
    reader = OllamaReader(window_tokens, tails(), calls=calls)
    for piece in (*filter(None, pieces), b""):
        if not reader.over and (delta := reader.take(piece)) is not None:
            yield delta
    yield reader.end()


def outcome_of(pieces: Iterable[bytes]) -> Outcome:
    """Return what one answer comes to."""
    text = ""
    try:
        for event in events_of(pieces):
            if isinstance(event, Done):
                return Outcome(text, done=event)
            if isinstance(event, Delta):
                text += event.text
    except ProviderError as error:
        return Outcome(text, row=error.row, phase=error.phase)
    raise AssertionError("an answer stopped without its end")
