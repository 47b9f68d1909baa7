"""How the guard treats each RPC: a row a method, found by its full name.

A method without a row is a probe: as long as its caller wants, unknown to a drain, not reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from llmsvc_server.reports import Reporter
from llmsvc_server.rpc.callinfo import TimeLimits
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.unsent import Unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRules:
    """One row.

    Attributes:
        limits: Our limits on the time of a call.
        registry: Knows the calls that run: a drain waits for them, and then ends them.
        reporter: Is told of a call when it begins, and once when it has ended.
        gate: Counts what callers have not taken of the answers.
    """

    limits: TimeLimits
    registry: InFlight
    reporter: Reporter
    gate: Unsent


MethodTable: TypeAlias = Mapping[str, MethodRules]
"""Full method name, "/package.Service/Method" -> its row."""
