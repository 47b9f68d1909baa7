"""Settings in, a connected service out. Decides nothing about requests."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from llmsvc_server.app.memory import Resident
from llmsvc_server.app.providers import Providers, build_providers
from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.config.memory import (
    HELD_FACTOR,
    MAX_UNFINISHED_BYTES,
    REQUEST_FACTOR,
    UNFINISHED_FACTOR,
    memory_of,
)
from llmsvc_server.config.settings import Settings
from llmsvc_server.health.board import Board
from llmsvc_server.health.refresh import collect_facts
from llmsvc_server.health.verdict import Require, judge
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.reports import Reporter
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.rpc.arrivals import Arrivals
from llmsvc_server.rpc.connections import Connections, watch
from llmsvc_server.rpc.door.interface import Door, Server
from llmsvc_server.rpc.guard import Guard
from llmsvc_server.rpc.health_servicer import HealthServicer, watches
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.listening import ListenAddresses
from llmsvc_server.rpc.llm_servicer import LLMServicer
from llmsvc_server.rpc.options import (
    MAX_CONNECTIONS,
    MAX_HEALTH_CONNECTIONS,
    health_options,
    server_options,
)
from llmsvc_server.rpc.reflection_servicer import reflections
from llmsvc_server.rpc.server import assemble, assemble_health, bind, method_table
from llmsvc_server.rpc.unsent import Unsent

UNREAD_PROBES_BYTES = 16 * 2**20
"""Of answers to health checks that nobody reads, at each listener: some 500, of one host nearly all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A server, and where it listens."""

    server: Server
    places: ListenAddresses


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts that the life cycle starts, asks and stops."""

    server: Server
    places: ListenAddresses
    health: Listener | None
    connections: Sequence[Connections]
    board: Board
    require: Require
    max_models: int
    in_flight: InFlight
    admission: Admission
    providers: Providers
    background: Background

    @property
    def listening(self) -> Mapping[str, ListenAddresses]:
        """Where it listens, by setting."""
        main = {"listen": self.places}
        return main if self.health is None else {**main, "health_listen": self.health.places}

    async def start(self, *, refresh_s: float) -> None:
        """Serve, and look at the providers every `refresh_s` seconds; neither waits."""
        await self.server.start()
        if self.health is not None:
            await self.health.server.start()
        inventory = self.providers.inventory
        for provider, endpoint in inventory.endpoints:
            _ = self.background.start(
                inventory.keep_fresh(
                    provider,
                    endpoint,
                    every_s=refresh_s,
                    busy=partial(self.providers.is_busy, provider, endpoint),
                    on_poll=partial(self._take_poll, provider, endpoint),
                )
            )
        for one in self.providers.explorers:
            _ = self.background.start(one.explore())
        _ = self.background.start(self._publish_often(refresh_s))
        _ = self.background.start(watch(self.connections))
        _ = self.background.start(self.providers.warm())

    def _take_poll(self, provider: str, endpoint: str, seen: bool) -> None:  # noqa: FBT001  a callback
        self.providers.upstreams[provider].take_poll(endpoint, seen=seen)
        self._publish()

    def _publish(self) -> None:
        known = collect_facts(self.providers.states, self.providers.inventory)
        self.board.publish(judge(known, self.require, max_models=self.max_models))

    async def _publish_often(self, every_s: float) -> None:
        """Let time show: breakers turn and blocks end without any look or call."""
        while True:
            self._publish()
            await asyncio.sleep(every_s)


async def build(
    settings: Settings,
    stack: AsyncExitStack,
    reporter: Reporter,
    door: Door,
    *,
    judged_by: Clock | None = None,
) -> App:
    """Construct and connect everything, bound to its port but not started.

    Args:
        settings: What to build.
        stack: Closes what was opened, in reverse.
        reporter: Takes the reports.
        door: Makes the servers.
        judged_by: What breakers and blocks go by; None for this machine's clock.

    Raises:
        CannotBind: Not all that `listen` or `health_listen` means can be listened on.
    """
    clock = time.monotonic  # uvloop's counts milliseconds, and stands still within a turn
    background = Background()
    unfinished = Unfinished(MAX_UNFINISHED_BYTES)
    providers = await build_providers(
        settings,
        stack,
        unfinished=unfinished,
        reporter=reporter,
        clock=clock,
        judged_by=judged_by or clock,
        tasks=background,
    )
    # Entered after the connections, so that no loop is left to use them once they are closed.
    await stack.enter_async_context(background)
    require = Require(settings.health.require)
    board = Board(judge(collect_facts(providers.states, providers.inventory), require), reporter)
    in_flight = InFlight()
    admission = Admission(
        max_chats=settings.server.max_chats, max_request_bytes=settings.server.max_request_bytes
    )
    limits = settings.limits
    held = HeldAnswers(max_each_bytes=limits.max_whole_bytes, max_bytes=limits.max_held_bytes)
    arrivals = _arrivals(settings, admission, held, unfinished, clock)
    unsent = Unsent(held, timeout_s=limits.write_timeout_s)
    server = assemble(
        door,
        guard=Guard(
            method_table(
                chat_s=limits.chat_deadline_s,
                stream_s=limits.stream_deadline_s,
                cap_s=limits.deadline_cap_s,
                registry=in_flight,
                reporter=reporter,
                gate=unsent,
            ),
            arrivals=arrivals,
            probes=_unsent_probes(),
            clock=clock,
        ),
        llm=LLMServicer(
            FailoverRouter(
                providers.targets,
                providers.inventory,
                remote_when_busy=settings.llm.remote_when_busy,
                held=held,
                rng=random.Random(),  # noqa: S311  spreads waits, guards nothing
            ),
            admission,
            held=held,
            unsent=unsent,
            write_timeout_s=limits.write_timeout_s,
        ),
        health=HealthServicer(board, watches()),
        reflection=reflections() if settings.server.reflection else None,
        options=server_options(
            max_message_bytes=limits.max_message_bytes,
            max_call_s=limits.deadline_cap_s,
            compressed_requests=limits.compressed_requests,
        ),
    )
    # A drained server is stopped already; this is for every other way out.
    stack.push_async_callback(server.stop, 0)
    places = bind(server, settings.server.listen)
    connections = [Connections(places, MAX_CONNECTIONS, reporter)]
    health = None
    if settings.server.health_listen is not None:
        guard = Guard({}, arrivals=arrivals, probes=_unsent_probes(), clock=clock)
        health = _health_listener(settings.server.health_listen, door, guard, board, stack)
        connections.append(Connections(health.places, MAX_HEALTH_CONNECTIONS, reporter))
    return App(
        server=server,
        places=places,
        health=health,
        connections=connections,
        board=board,
        require=require,
        max_models=settings.health.max_models,
        in_flight=in_flight,
        admission=admission,
        providers=providers,
        background=background,
    )


def _unsent_probes() -> Unsent:
    """Return what counts answers to probes apart: no chat's answer keeps a probe out."""
    return Unsent(HeldAnswers(max_each_bytes=0, max_bytes=UNREAD_PROBES_BYTES), timeout_s=0.0)


def _arrivals(
    settings: Settings,
    admission: Admission,
    held: HeldAnswers,
    unfinished: Unfinished,
    clock: Clock,
) -> Arrivals:
    memory, resident = memory_of(settings), Resident(clock)
    return Arrivals(
        max_arriving=memory.max_arriving,
        is_memory_short=lambda: resident.exceeds(
            memory.at_rest_bytes
            + admission.request_bytes * REQUEST_FACTOR
            + held.bytes * HELD_FACTOR
            + unfinished.bytes * UNFINISHED_FACTOR
        ),
        clock=clock,
    )


def _health_listener(
    listen: str, door: Door, guard: Guard, board: Board, stack: AsyncExitStack
) -> Listener:
    server = assemble_health(
        door, guard=guard, health=HealthServicer(board, watches()), options=health_options()
    )
    stack.push_async_callback(server.stop, 0)  # a drain leaves it: it answers to the last
    return Listener(server=server, places=bind(server, listen, setting="server.health_listen"))
