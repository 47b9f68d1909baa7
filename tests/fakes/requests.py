"""Requests as values and as messages, for tests that do not care what is asked."""

import asyncio

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.deadline import AttemptLimits, Clock, Deadline
from llmsvc_server.chat.features import NO_FEATURES, Features
from llmsvc_server.chat.request import (
    SERVERS_ROUTING,
    ChatRequest,
    Delivery,
    Message,
    Role,
    Routing,
    Sampling,
)

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Longest answer where nothing else is configured."""


def chat_request(  # noqa: PLR0913  what tests vary, by keyword
    text: str = "hi",
    *,
    model: str = "",
    delivery: Delivery = Delivery.STREAM,
    routing: Routing = SERVERS_ROUTING,
    caller: str = "",
    features: Features = NO_FEATURES,
) -> ChatRequest:
    """Return a request with one user message."""
    return ChatRequest(
        model=model,
        messages=(Message(role=Role.USER, parts=(text,)),),
        sampling=Sampling(),
        delivery=delivery,
        routing=routing,
        caller=caller,
        features=features,
        is_plain=features is NO_FEATURES,
    )


def chat_message(text: str = "hi", *, model: str = "") -> llm_pb2.ChatRequest:
    """Return the same as a message."""
    return llm_pb2.ChatRequest(
        model=model,
        messages=[llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=[llm_pb2.ContentPart(text=text)])],
    )


def in_s(length_s: float, clock: Clock | None = None) -> Deadline:
    """Return the point `length_s` seconds from now, on the loop's clock unless another is given."""
    clock = clock or asyncio.get_running_loop().time
    return Deadline(at_s=clock() + length_s, clock=clock)


def limits_of(
    length_s: float = 60.0,
    *,
    first_token_s: float | None = None,
    fallback_follows: bool = False,
    clock: Clock | None = None,
) -> AttemptLimits:
    """Return limits that start now, on the loop's clock unless another is given."""
    finish_by = in_s(length_s, clock)
    return AttemptLimits(
        finish_by=finish_by,
        first_token_by=in_s(length_s if first_token_s is None else first_token_s, clock),
        latest_first=finish_by,
        fallback_follows=fallback_follows,
    )
