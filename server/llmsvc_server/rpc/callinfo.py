"""Everything that is read out of a gRPC context, once, at entry.

After the end of a call the accessors read freed memory and may crash the process
(grpcio 1.81 to 1.85; docs/facts/grpc-aio.md 1), so no other module calls them.
"""

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.events import Phase, Waiting
from llmsvc_server.chat.route import Attempt, Route, Trail
from llmsvc_server.chat.usage import Usage
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


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One running call: what it came with, and what has become of it so far.

    `finish_by` is when upstream work must end; `limit_s` our own limit where that is what ends it,
    None where the caller's deadline does. Until it `has_arrived`, its request was nobody's.
    `waiting` is what the running attempt, which began at `attempt_began_s`, waits for. Once
    `is_complete`, the caller has its answer, or `outcome` is it: whatever ends the call then fails
    nothing. `unsent_bytes` is the size of a message that was given up on its way. The guard owns
    the call; the servicer notes progress. `caller` is who asks, as far as that is known: its host,
    which is in no log and no error.
    """

    method: str
    request_id: str
    began_s: float
    finish_by: Deadline
    limit_s: float | None
    caller: str = field(default="", repr=False)
    draining: bool = False
    has_arrived: bool = False
    committed: bool = False
    route: Route | None = None
    usage: Usage | None = None
    first_content_s: float | None = None
    messages_sent: int = 0
    text_length: int = 0
    unsent_bytes: int = 0
    is_complete: bool = False
    outcome: object = None
    waiting: Waiting | None = None
    attempt_began_s: float = 0.0

    def elapsed_s(self) -> float:
        """Return the seconds since the call arrived."""
        return self.finish_by.clock() - self.began_s

    def waits(self, event: Waiting) -> None:
        """Note what is being waited for."""
        if self.waiting is None or _tried(self.waiting) != _tried(event):
            self.attempt_began_s = self.finish_by.clock()
        self.waiting = event

    def trail_ended_by(self, code: str, reason: str) -> Trail | None:
        """Return what was tried; whoever runs the request now fails with `code` and `reason`.

        None where no target was considered yet.
        """
        if self.committed and self.route is not None:
            *before, answers = self.route.trail.attempts
            last = replace(answers, code=code, reason=reason)
            return replace(self.route.trail, attempts=(*before, last))
        waiting = self.waiting
        if waiting is None or waiting.trail is None or waiting.target is None:
            return None
        sent = waiting.phase is Phase.PROVIDER
        running = Attempt(
            provider=waiting.target,
            model=waiting.model,
            code=code,
            reason=reason,
            elapsed_s=self.finish_by.clock() - self.attempt_began_s if sent else None,
            content_sent=sent,
        )
        return replace(waiting.trail, attempts=(*waiting.trail.attempts, running))


def _tried(event: Waiting) -> int:
    return 0 if event.trail is None else len(event.trail.attempts)


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
        caller=caller_of(context),
        began_s=now_s,
        finish_by=Deadline(at_s=now_s + granted_s - reserve_s, clock=clock),
        limit_s=None if asked_s is not None and asked_s <= limit_s else limit_s,
    )


def caller_of(context: Context) -> str:
    """Return who calls, as far as that is known: a host; never to be logged."""
    return host_of(context.peer())


def connection_of(context: Context) -> str:
    """Return what tells a call's connection from every other that is open now."""
    return str(context.peer())


def request_id_from(context: Context) -> str:
    """Return the caller's request id if it sent a valid one, else a new one."""
    metadata = context.invocation_metadata() or ()
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return f"{random.getrandbits(64):016x}"  # an id, not a secret
