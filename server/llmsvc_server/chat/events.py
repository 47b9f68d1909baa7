"""What comes up from a provider while it answers."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.output_check import OutputCheck
from llmsvc_server.chat.parts import Piece, written_in
from llmsvc_server.chat.usage import FinishReason, Usage


class Phase(StrEnum):
    """What an attempt waits for."""

    QUEUED = "queued"
    LOADING = "loading"
    PROVIDER = "provider"


@dataclass(slots=True)
class Delta:
    """More text, and some: what is none is a sign of life."""

    text: str = field(repr=False)


@dataclass(slots=True)
class Pieces(Delta):
    """More that is not text alone: `pieces` in order, all of one network read.

    `text` is all that was written in them: what is counted and measured.
    """

    pieces: tuple[Piece, ...] = field(repr=False)


def pieces_of(pieces: Iterable[Piece]) -> Pieces:
    """Return one event for what came together, at least one piece."""
    every = tuple(pieces)
    return Pieces("".join(map(written_in, every)), every)


def pieces_in(delta: Delta) -> tuple[Piece, ...]:
    """Return what came in one event, in order."""
    return delta.pieces if isinstance(delta, Pieces) else (delta.text,)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The model works on something that is not passed on: it feeds the clocks and commits nothing."""


SIGN_OF_LIFE = SignOfLife()
"""The one that there is: it says nothing besides."""


@dataclass(slots=True, kw_only=True)
class Timings:
    """Where an answer's time went, in seconds; None where nobody said.

    `load_s`, `prompt_s` and `generation_s` are the provider's own figures; `queue_s` is the wait
    in our queue, which whoever runs the attempt knows.
    """

    load_s: float | None = None
    prompt_s: float | None = None
    generation_s: float | None = None
    queue_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Done:
    """The end, with the provider's terminal marker seen.

    `provider_response_id` is the provider's own id of the answer, for its support; may be empty.
    `output_checks` are made above the adapters.
    """

    finish_reason: FinishReason
    provider_finish_reason: str = ""
    stop_sequence: str = ""
    usage: Usage
    timings: Timings = field(default_factory=Timings)
    adjustments: tuple[Adjustment, ...] = ()
    output_checks: tuple[OutputCheck, ...] = ()
    provider_response_id: str = ""


ChatEvent = Delta | SignOfLife | Done
ChatEvents = AsyncGenerator[ChatEvent, None]
"""What an adapter makes of an answer."""

AnswerEvents = AsyncGenerator[Delta | Done, None]
"""What an attempt is to whoever asked for it: signs of life have done their work by then."""
