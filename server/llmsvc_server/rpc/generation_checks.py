"""Checks of sampling, length and delivery."""

from collections.abc import Iterator

from google.protobuf import duration_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation
from llmsvc_server.errors import ViolationReason as Why

MAX_STOP_SEQUENCE_BYTES = 256
MAX_SEED = 2**31 - 1
SECOND_NS = 1_000_000_000
MAX_PROGRESS_NS = 60 * SECOND_NS

RANGES: dict[str, tuple[float, float, bool]] = {
    "temperature": (0, 2, False),
    "top_p": (0, 1, True),
    "min_p": (0, 1, False),
    "frequency_penalty": (-2, 2, False),
    "presence_penalty": (-2, 2, False),
    "repeat_penalty": (0, 2, True),
    "seed": (0, MAX_SEED, False),
}
"""Field -> minimum, maximum, and whether the minimum itself is refused."""

AT_LEAST_ONE = ("top_k", "max_output_tokens")


def check_generation_config(config: llm_pb2.GenerationConfig) -> Iterator[Violation]:
    """Yield what is wrong with sampling and length, in the order of the fields."""
    for name, (minimum, maximum, is_above) in RANGES.items():
        if config.HasField(name):  # type: ignore[arg-type]  # names of fields, checked by a test
            value = getattr(config, name)
            if not (minimum <= value <= maximum) or (is_above and value == minimum):
                above_or_from = "above" if is_above else "from"
                yield Violation(
                    f"generation_config.{name}",
                    Why.OUT_OF_RANGE,
                    f"use a number {above_or_from} {minimum} to {maximum}",
                )
    for name in AT_LEAST_ONE:
        if config.HasField(name) and getattr(config, name) < 1:  # type: ignore[arg-type]
            yield Violation(f"generation_config.{name}", Why.OUT_OF_RANGE, "use at least 1")
    yield from _check_stop_sequences(config)


def _check_stop_sequences(config: llm_pb2.GenerationConfig) -> Iterator[Violation]:
    path = "generation_config.stop_sequences"
    for index, sequence in enumerate(config.stop_sequences):
        if not sequence:
            yield Violation(f"{path}[{index}]", Why.MISSING, "send at least one byte")
        elif len(sequence.encode()) > MAX_STOP_SEQUENCE_BYTES:
            yield Violation(
                f"{path}[{index}]", Why.TOO_LONG, f"use at most {MAX_STOP_SEQUENCE_BYTES} bytes"
            )


def check_progress_interval(interval: duration_pb2.Duration) -> Iterator[Violation]:
    """Yield what is wrong with how often a caller wants a sign of life."""
    length_ns = interval.seconds * SECOND_NS + interval.nanos
    if not SECOND_NS <= length_ns <= MAX_PROGRESS_NS:
        yield Violation("stream_options.progress_interval", Why.OUT_OF_RANGE, "use 1 s to 60 s")
