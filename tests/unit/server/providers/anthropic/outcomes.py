"""What becomes of an answer's bytes, however the network cuts them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmsvc_server.chat.events import Delta, Done, SignOfLife
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.anthropic.reader import AnthropicReader
from tests.fakes.unfinished import tails


@dataclass(frozen=True, slots=True)
class Outcome:
    """All text, and how it ended: well, or with a row of docs/failover.md 2.2 and a phase."""

    text: str
    done: Done | None = None
    row: str = ""
    phase: str = ""


USAGE = Usage(input_tokens=26, output_tokens=9, cached_input_tokens=2, cache_write_input_tokens=4)


def ended(
    reason: FinishReason = FinishReason.STOP,
    word: str = "end_turn",
    *,
    sequence: str = "",
    usage: Usage = USAGE,
    answer_id: str = "msg_01Fake",
) -> Done:
    """Return the end of an ordinary answer, but for what is given."""
    return Done(
        finish_reason=reason,
        provider_finish_reason=word,
        stop_sequence=sequence,
        usage=usage,
        provider_response_id=answer_id,
    )


def events_of(
    pieces: Iterable[bytes], *, stop_sequences: tuple[str, ...] = (), is_whole: bool = False
) -> Iterator[Delta | SignOfLife | Done]:
    """Yield the events of an answer that comes in these reads.

    Raises:
        ProviderError: As the reader.
    """
    reader = AnthropicReader(tails(), stop_sequences)
    if is_whole:
        reader.expect_whole()
    for piece in (*filter(None, pieces), b""):
        if not reader.over and (delta := reader.take(piece)) is not None:
            yield delta
    yield reader.end()


def outcome_of(pieces: Iterable[bytes], *, is_whole: bool = False) -> Outcome:
    """Return what one answer comes to."""
    text = ""
    try:
        for event in events_of(pieces, is_whole=is_whole):
            if isinstance(event, Done):
                return Outcome(text, done=event)
            if isinstance(event, Delta):
                text += event.text
    except ProviderError as error:
        return Outcome(text, row=error.row, phase=error.phase)
    raise AssertionError("an answer stopped without its end")
