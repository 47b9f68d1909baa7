"""What becomes of an answer's bytes, however the network cuts them."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from llmsvc_server.chat.events import Delta, Done, SignOfLife
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.openai.reader import OpenaiReader
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
    is_local: bool = False,
    is_whole: bool = False,
    stops: Collection[str] = (),
    calls: ToolCalls | None = None,
) -> Iterator[Delta | SignOfLife | Done]:
    """Yield the events of an answer that comes in these reads.

    Raises:
        ProviderError: As the reader.
    """
    reader = OpenaiReader(tails(), is_local=is_local, stop_sequences=stops, calls=calls)
    if is_whole:
        reader.expect_whole()
    for piece in (*filter(None, pieces), b""):
        if not reader.over and (delta := reader.take(piece)) is not None:
            yield delta
    yield reader.end()


def done_of(*pieces: bytes, stops: Collection[str] = ()) -> Done:
    """Return the end of an answer that ends well."""
    *_, last = events_of(pieces, stops=stops)
    assert isinstance(last, Done)
    return last


def failure_of(*pieces: bytes, is_local: bool = False, is_whole: bool = False) -> ProviderError:
    """Return the failure that an answer ends with."""
    try:
        _ = list(events_of(pieces, is_local=is_local, is_whole=is_whole))
    except ProviderError as error:
        return error
    raise AssertionError("it ended well")


def outcome_of(*pieces: bytes) -> Outcome:
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
