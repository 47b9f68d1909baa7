"""What an upstream is made of: the operator's choices, its addresses, and what all of them share."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from llmsvc_server.catalog.facts import EndpointFacts
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """Of one provider; times in seconds.

    Attributes:
        max_in_flight, max_in_flight_of_model: Chats that an endpoint runs at once, in all and of
            one model.
        max_queued: How many may wait for one model.
        queue_timeout_s: Longest wait while another provider could answer.
        queue_advice: For the log when chats wait for the first time.
        first_token_s: Longest silence before first content, of a model that is in memory.
        first_token_with_tools_s: The same where tools are offered.
        cold_s: The same of one that has to be loaded first.
        idle_s: Longest gap between two signs of life.
        idle_with_features_s: The same where tools are offered or a format is asked for: some servers
            hold back whole calls.
        loads_models: Whether its models are brought into memory from here.
        heals: Whether one is loaded again that is in memory and answers nothing.
        confirm_s: How soon the load of a model that is in memory answers.
    """

    max_in_flight: int
    max_in_flight_of_model: int
    max_queued: int
    queue_timeout_s: float
    queue_advice: str
    first_token_s: float
    first_token_with_tools_s: float
    cold_s: float
    idle_s: float
    idle_with_features_s: float
    loads_models: bool
    heals: bool
    confirm_s: float = 1.0


class Site(NamedTuple):
    """One address: its name for logs, who speaks with it, and what is known of it."""

    name: str
    adapter: ChatProvider
    facts: EndpointFacts


class Tasks(Protocol):
    """Runs coroutines that belong to no call."""

    def start(self, work: Coroutine[object, object, None]) -> object:
        """Run one until it ends or the process does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the upstreams of a process share.

    Attributes:
        clock: Seconds as calls count them, monotonic.
        judged_by: Seconds as breakers and blocks count them.
        rng: Spreads waits, and chooses among equals.
        reporter: Gets what is told once.
        tasks: Run loads, and what frees a wedged model.
        loads_at_once: Bounds the loads of the whole process.
    """

    clock: Clock
    judged_by: Clock
    rng: random.Random
    reporter: Reporter
    tasks: Tasks
    loads_at_once: asyncio.Semaphore
