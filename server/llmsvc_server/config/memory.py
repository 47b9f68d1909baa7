"""How much memory the settings may take, at worst. deploy/README.md says it in words."""

from dataclasses import dataclass

from llmsvc_server.config.settings import Settings
from llmsvc_server.providers.http.unfinished import FREE_BYTES
from llmsvc_server.providers.shared.listing import MAX_LIST_BYTES

MIB = 2**20
PROCESS_BYTES = 128 * MIB
"""Of a server with a thousand connections and streams, none of which holds a request."""

REQUEST_FACTOR = 14
"""Bytes held per byte of a request, at worst: four as text (one character beyond the Basic
Multilingual Plane makes all of a text's four bytes wide), one as its UTF-8, six as JSON full of
escapes for the provider, three that the allocator keeps. Measured by tests/hostile."""

HELD_FACTOR = 5
"""Bytes per byte of an answer that is held, at worst: as text, as message, as bytes, as the core's
own copy, and what the allocator keeps. Measured by tests/hostile."""

MAX_UNFINISHED_BYTES = 2 * MAX_LIST_BYTES
"""Of lines, events, bodies and lists of models that upstreams have begun. The longest fits:
one alone has half of it."""

UNFINISHED_FACTOR = 3
"""Bytes per byte of those, at worst: themselves, a copy of the longest, its decoded text, and what
the allocator keeps. Measured by tests/hostile."""

STREAM_BYTES = 65_535
"""What gRPC's core takes of a stream that nobody reads: what follows a request, before its end."""

ARRIVING_BYTES = 32 * MIB
"""For requests that arrive at their leisure."""

LATE_BYTES = 32 * MIB
"""For what arrives of more than those before they are given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bounds that follow from settings.

    Attributes:
        max_arriving: Requests that may arrive however long they take.
        at_rest_bytes: What the process may hold besides requests of running chats, and answers.
        total_bytes: What it may hold at worst.
    """

    max_arriving: int
    at_rest_bytes: int
    total_bytes: int


def memory_of(settings: Settings) -> Memory:
    """Return what `settings` may take."""
    server, limits = settings.server, settings.limits
    message_bytes = limits.max_message_bytes
    max_arriving = max(2, ARRIVING_BYTES // message_bytes)
    at_rest = (
        PROCESS_BYTES
        + server.max_chats * 9 // 8 * (STREAM_BYTES + FREE_BYTES)
        + max_arriving * message_bytes
    )
    return Memory(
        max_arriving=max_arriving,
        at_rest_bytes=at_rest,
        total_bytes=at_rest
        + LATE_BYTES
        + server.max_request_bytes * REQUEST_FACTOR
        + limits.max_held_bytes * HELD_FACTOR
        + MAX_UNFINISHED_BYTES * UNFINISHED_FACTOR,
    )
