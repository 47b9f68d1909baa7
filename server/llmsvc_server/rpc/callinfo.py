"""Everything that is read out of a gRPC context, once, at entry.

After the end of a call the accessors read freed memory and may crash the process
(grpcio 1.81 to 1.85; docs/facts/grpc-aio.md 1), so no other module calls them.
"""

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass, field

from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.usage import Usage
from llmsvc_server.chat.value import value
from llmsvc_server.rpc.door.interface import Context
from llmsvc_server.rpc.hosts import host_of

REQUEST_ID_KEY = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
RESERVE_S = 0.15
"""Time kept back so that the typed status still reaches the caller, at most a fifth of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Our limits on a call's time, in seconds: where the caller sets none, and at most."""

    default_s: float
    cap_s: float


@value
class ServerTimings:
    """What the server itself measured of an answer, in seconds from the request's arrival.

    `first_content_s` is None where there was none, or where nobody saw it come.
    """

    total_s: float
    first_content_s: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One running call: what it came with, and what has become of it so far.

    `finish_by` is when upstream work must end; `limit_s` our own limit where that is what ends it,
    None where the caller's deadline does. Until it `has_arrived`, its request was nobody's.
    `receipt` says who was tried and who answers; once `committed`, a stream's caller has been told
    that. Once `is_complete`, a stream's caller has all of it: whatever ends the call then fails
    nothing. `unsent_bytes` is the size of a message that was given up on its way. The
    guard owns the call; the servicer notes progress. `caller` is who asks, as far as that is known:
    its host, which is in no log and no error.
    """

    method: str
    request_id: str
    began_s: float
    finish_by: Deadline
    limit_s: float | None
    receipt: Receipt
    caller: str = field(default="", repr=False)
    draining: bool = False
    has_arrived: bool = False
    committed: bool = False
    usage: Usage | None = None
    messages_sent: int = 0
    text_length: int = 0
    unsent_bytes: int = 0
    is_complete: bool = False

    def measure(self) -> ServerTimings:
        """Return how long it has taken until now."""
        content_at_s = self.receipt.content_at_s
        return ServerTimings(
            total_s=self.finish_by.clock() - self.began_s,
            first_content_s=None if content_at_s is None else content_at_s - self.began_s,
        )


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that the running task serves. Set by the guard."""


def call_from(context: Context, method: str, limits: TimeLimits, clock: Clock) -> Call:
    """Read what a call came with.

    Args:
        context: The call's context, before anything else was awaited.
        method: Full method name, "/package.Service/Method".
        limits: Our limits for this method.
        clock: Monotonic seconds, from the loop's zero.
    """
    now_s = clock()
    asked_s = context.time_remaining()
    limit_s = limits.default_s if asked_s is None else limits.cap_s
    granted_s = limit_s if asked_s is None else max(0.0, min(asked_s, limit_s))
    reserve_s = min(RESERVE_S, granted_s / 5)
    return Call(
        method=method,
        request_id=request_id_from(context),
        caller=host_of(context.peer()),
        receipt=Receipt(clock),
        began_s=now_s,
        finish_by=Deadline(at_s=now_s + granted_s - reserve_s, clock=clock),
        limit_s=None if asked_s is not None and asked_s <= limit_s else limit_s,
    )


def connection_of(context: Context) -> str:
    """Return what tells a call's connection from every other that is open now."""
    return str(context.peer())


def request_id_from(context: Context) -> str:
    """Return the caller's request id if it sent a valid one, else a new one."""
    metadata = context.invocation_metadata() or ()
    for key, sent in metadata:
        if key == REQUEST_ID_KEY and isinstance(sent, str) and _REQUEST_ID.fullmatch(sent):
            return sent
    return f"{random.getrandbits(64):016x}"  # an id, not a secret
