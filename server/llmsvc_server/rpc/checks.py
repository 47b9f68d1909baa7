"""Checks of a request against the contract, all violations at once. Pure.

Limits and ranges are those of docs/contract.md 3.
"""

from collections.abc import Iterator
from itertools import islice

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import InvalidRequest, Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.rpc.generation_checks import check_generation_config, check_progress_interval
from llmsvc_server.rpc.message_checks import check_messages, count_text_bytes
from llmsvc_server.rpc.routing_checks import MAX_MODEL_BYTES, check_routing
from llmsvc_server.rpc.tool_checks import check_features, count_declared_bytes
from llmsvc_server.rpc.wire_scan import Unknown

MAX_VIOLATIONS = 16
MAX_TEXT_BYTES = 4 * 1024 * 1024


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
    yield from check_messages(request.messages)
    if size_bytes > MAX_TEXT_BYTES:
        yield from _check_size(request)
    if request.HasField("generation_config"):
        yield from check_generation_config(request.generation_config)
    yield from check_features(request, unknown.inside)
    if request.HasField("routing_policy"):
        yield from check_routing(request.routing_policy, unknown.inside)
    if request.stream_options.HasField("progress_interval"):
        yield from check_progress_interval(request.stream_options.progress_interval)
    if unknown.newer:
        yield from unknown.newer_violations()


def _check_size(request: llm_pb2.ChatRequest) -> Iterator[Violation]:
    if count_text_bytes(request.messages) + count_declared_bytes(request) > MAX_TEXT_BYTES:
        yield Violation("messages", Why.TOO_LONG, f"send at most {MAX_TEXT_BYTES} bytes of text")
