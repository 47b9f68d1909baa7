"""A ChatRequest is counted before it is decoded, unless it is small and plain: then a count would find nothing."""

from operator import attrgetter

from google.protobuf.message import DecodeError

from llmsvc.v1 import llm_pb2
from llmsvc_server.rpc.decoding import decode_message
from llmsvc_server.rpc.wire_scan import LIST_BOUNDS, Unknown, scan_chat

SMALL_BYTES = 8_192
"""What may be decoded before it is counted.

An empty element of a list is two bytes on the wire and a hundred in memory: 400 KiB at most. All
parts together are 4,096 at most then, as many as there may be.
"""

_ELEMENT_BYTES = 2
"""Of an element on the wire, at least: its tag and its length."""

_MAX_MESSAGES = LIST_BOUNDS["messages"]
_MAX_PARTS = LIST_BOUNDS["messages[{}].parts"]
_MAX_STOPS = LIST_BOUNDS["generation_config.stop_sequences"]
_MAX_TOOLS = LIST_BOUNDS["tools"]
_MAX_TARGETS = LIST_BOUNDS["routing_policy.targets"]
_FEW_BYTES = _ELEMENT_BYTES * (_MAX_PARTS + 1)
"""Of a request that is shorter no message can have too many parts."""

_parts = attrgetter("parts")


def decode_chat(raw: bytes) -> tuple[llm_pb2.ChatRequest, Unknown]:
    """Return a message, and what it holds besides that must not be ignored.

    Raises:
        InvalidRequest: A list is too long, a message has too many fields, or this is no message.
    """
    if len(raw) <= SMALL_BYTES:
        request = decode_plain(raw)
        if request is not None:
            return request, Unknown()
    unknown = scan_chat(raw)
    return decode_message(llm_pb2.ChatRequest.FromString, raw), unknown


def decode_plain(raw: bytes) -> llm_pb2.ChatRequest | None:
    """Return a message in which a scan would find nothing; None where it might.

    What is written back as the same bytes holds nothing unknown, and each field once that is no list: a
    second one would be missing, as would what is written in pieces, or longer than need be. A type of
    message has fewer fields than one message may hold, so only lists can be too long.
    """
    try:
        request = llm_pb2.ChatRequest.FromString(raw)
    except DecodeError:
        return None  # which the scan may have more to say of
    request.DiscardUnknownFields()
    is_plain = (
        request.SerializeToString() == raw
        and len(request.messages) <= _MAX_MESSAGES
        and len(request.tools) <= _MAX_TOOLS
        and not request.HasField("tool_choice")
        and (
            len(raw) < _FEW_BYTES
            or max(map(len, map(_parts, request.messages)), default=0) <= _MAX_PARTS
        )
        and (
            not request.HasField("generation_config")
            or len(request.generation_config.stop_sequences) <= _MAX_STOPS
        )
        and (
            not request.HasField("routing_policy")
            or len(request.routing_policy.targets) <= _MAX_TARGETS
        )
    )
    return request if is_plain else None
