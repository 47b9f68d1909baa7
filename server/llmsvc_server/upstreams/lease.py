"""One chat's place at an endpoint, with leave from both of the breakers there."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from llmsvc_server.upstreams.blocks import BlockProbe
from llmsvc_server.upstreams.breaker import Permit
from llmsvc_server.upstreams.silence import Silence

if TYPE_CHECKING:
    from llmsvc_server.upstreams.endpoint import Endpoint


@dataclass(slots=True, eq=False, repr=False)
class Lease:
    """Held while an upstream works on a chat; others may have the place before the attempt is over.

    Attributes:
        endpoint: Where the chat runs.
        model, caller: What, and for whom.
        began_s: Since when, on the clock of breakers.
        connecting, answering: Leave from the breaker of connections, and from the model's.
        block_probe: Of the blocks that have ended, if there are any.
        is_probe: Whether others are held back until it is known how this one ends.
        is_held: Whether it counts among those that run there.
        queued_s: How long it was waited for; None if it was not.
        silence: The wait for the upstream, once there is one.
        has_schema: Whether a local engine runs it under a schema of the caller's.
        over: Where somebody waits for the end of the attempt: set then.
    """

    endpoint: "Endpoint"
    model: str
    caller: str
    began_s: float
    connecting: Permit
    answering: Permit
    block_probe: BlockProbe | None
    is_probe: bool
    is_held: bool = True
    queued_s: float | None = None
    silence: Silence | None = None
    has_schema: bool = False
    over: asyncio.Event | None = None

    @override
    def __repr__(self) -> str:
        """Return where it is, of what, and what is special about it."""
        probe = ", probe" if self.is_probe else ""
        free = "" if self.is_held else ", place free"
        return f"<Lease of {self.model} at {self.endpoint.name}{probe}{free}>"

    def end(self) -> None:
        """Give the breakers' leave back; what has no verdict by now gets none."""
        for permit in (self.connecting, self.answering):
            if permit.serial:
                permit.breaker.take_release(permit)
        if self.block_probe is not None:
            self.block_probe.release()
        if self.over is not None:
            self.over.set()
