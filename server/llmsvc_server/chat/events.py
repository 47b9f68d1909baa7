"""What comes up from a provider while it answers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.route import Route
from llmsvc_server.chat.usage import FinishReason, Usage


@dataclass(slots=True)
class Started:
    """The commit point: `route` answers, and no other target will. Only the router sends it."""

    route: Route


@dataclass(slots=True)
class Delta:
    """More text. Empty text is a sign of life: it feeds the clocks and commits nothing."""

    text: str


@dataclass(slots=True, kw_only=True)
class Done:
    """The end, with the provider's terminal marker seen."""

    finish_reason: FinishReason
    provider_finish_reason: str = ""
    stop_sequence: str = ""
    usage: Usage
    adjustments: tuple[Adjustment, ...] = ()


ChatEvents = AsyncGenerator[Started | Delta | Done, None]
