"""Checks of a request against the contract, all violations at once. Pure.

Limits and ranges are those of docs/contract.md 3.
"""

from collections.abc import Iterator
from itertools import islice

from google.protobuf import duration_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import InvalidRequest, Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.rpc.routing_checks import MAX_MODEL_BYTES, check_routing
from llmsvc_server.rpc.wire_scan import TOO_OLD, Unknown

MAX_VIOLATIONS = 16
MAX_TEXT_BYTES = 4 * 1024 * 1024
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
KNOWN_ROLES = frozenset((llm_pb2.ROLE_SYSTEM, llm_pb2.ROLE_USER, llm_pb2.ROLE_ASSISTANT))
ROLE_NAMES = "ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT"


def check_chat(request: llm_pb2.ChatRequest, unknown: Unknown, size_bytes: int) -> None:
    """Return if the request keeps the contract.

    Args:
        request: Looked at field by field; how long its lists are was counted before it was decoded.
        unknown: What it holds besides.
        size_bytes: How large it came.

    Raises:
        InvalidRequest: It does not; up to 16 violations, in the order of the fields.
    """
    violations = tuple(islice(_find_violations(request, unknown, size_bytes), MAX_VIOLATIONS))
    if violations:
        raise InvalidRequest(violations)


def _find_violations(
    request: llm_pb2.ChatRequest, unknown: Unknown, size_bytes: int
) -> Iterator[Violation]:
    if len(request.model.encode()) > MAX_MODEL_BYTES:
        yield Violation("model", Why.TOO_LONG, f"use at most {MAX_MODEL_BYTES} bytes")
    yield from _check_messages(request)
    if size_bytes > MAX_TEXT_BYTES and _count_text_bytes(request) > MAX_TEXT_BYTES:
        yield Violation("messages", Why.TOO_LONG, f"send at most {MAX_TEXT_BYTES} bytes of text")
    if request.HasField("generation_config"):
        yield from _check_generation_config(request.generation_config)
    if request.HasField("routing_policy"):
        yield from check_routing(request.routing_policy, unknown.inside)
    if request.stream_options.HasField("progress_interval"):
        yield from _check_progress_interval(request.stream_options.progress_interval)
    yield from _refuse_unread(request)
    if unknown.newer:
        yield from unknown.newer_violations()


def _refuse_unread(request: llm_pb2.ChatRequest) -> Iterator[Violation]:
    for name in ("tools", "tool_choice", "response_format", "unsupported_feature_action"):
        if name in {field.name for field, _ in request.ListFields()}:
            yield Violation(name, Why.UNKNOWN, TOO_OLD)


def _check_messages(request: llm_pb2.ChatRequest) -> Iterator[Violation]:
    messages = request.messages
    if not messages:
        yield Violation("messages", Why.MISSING, "send at least one user message")
        return
    conversing = False
    for index, message in enumerate(messages):
        role, parts = message.role, message.parts
        usual = role == llm_pb2.ROLE_USER and len(parts) == 1 and parts[0].HasField("text")
        if not usual:
            path = f"messages[{index}]"
            yield from _check_role(path, role, conversing=conversing)
            yield from _check_parts(path, message)
        conversing = conversing or role != llm_pb2.ROLE_SYSTEM
    if messages[-1].role in KNOWN_ROLES - {llm_pb2.ROLE_USER}:
        yield Violation(
            f"messages[{len(messages) - 1}].role",
            Why.NOT_ALLOWED,
            "end the conversation with a user message",
        )


def _count_text_bytes(request: llm_pb2.ChatRequest) -> int:
    return sum(len(part.text.encode()) for message in request.messages for part in message.parts)


def _check_role(path: str, role: int, *, conversing: bool) -> Iterator[Violation]:
    if role == llm_pb2.ROLE_UNSPECIFIED:
        yield Violation(f"{path}.role", Why.MISSING, f"set it to {ROLE_NAMES}")
    elif role not in KNOWN_ROLES:
        yield Violation(f"{path}.role", Why.UNKNOWN, f"use {ROLE_NAMES}")
    elif role == llm_pb2.ROLE_SYSTEM and conversing:
        yield Violation(f"{path}.role", Why.NOT_ALLOWED, "put system messages first")


def _check_parts(path: str, message: llm_pb2.Message) -> Iterator[Violation]:
    if not message.parts:
        yield Violation(f"{path}.parts", Why.MISSING, "send at least one part")
    for index, part in enumerate(message.parts):
        if part.WhichOneof("part") != "text":
            yield Violation(
                f"{path}.parts[{index}]", Why.MISSING, "set a kind that this server knows: text"
            )


def _check_generation_config(config: llm_pb2.GenerationConfig) -> Iterator[Violation]:
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


def _check_progress_interval(interval: duration_pb2.Duration) -> Iterator[Violation]:
    length_ns = interval.seconds * SECOND_NS + interval.nanos
    if not SECOND_NS <= length_ns <= MAX_PROGRESS_NS:
        yield Violation("stream_options.progress_interval", Why.OUT_OF_RANGE, "use 1 s to 60 s")
