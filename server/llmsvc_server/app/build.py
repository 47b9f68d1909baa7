"""Settings in, a connected service out. Decides nothing about requests."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from llmsvc_server.app.providers import Providers, build_providers
from llmsvc_server.app.tasks import Background
from llmsvc_server.config.settings import Settings
from llmsvc_server.health.board import Board
from llmsvc_server.health.refresh import facts
from llmsvc_server.health.verdict import Require, verdict
from llmsvc_server.reports import Reporter
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.rpc.guard import Guard
from llmsvc_server.rpc.health_servicer import HealthServicer
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.llm_servicer import LLMServicer
from llmsvc_server.rpc.options import server_options
from llmsvc_server.rpc.server import Server, assemble, bind, time_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts that the life cycle starts, asks and stops."""

    server: Server
    port: int
    board: Board
    require: Require
    in_flight: InFlight
    admission: Admission
    providers: Providers
    background: Background

    async def start(self, *, refresh_s: float) -> None:
        """Serve, and look at the providers every `refresh_s` seconds; neither waits."""
        await self.server.start()
        for target in self.providers.targets:
            name = target.provider.info.name
            _ = self.background.start(
                self.providers.inventory.keep_fresh(
                    name,
                    every_s=refresh_s,
                    busy=partial(self.providers.busy, name),
                    changed=self._publish,
                )
            )

    def _publish(self) -> None:
        known = facts(self.providers.targets, self.providers.inventory)
        self.board.publish(verdict(known, self.require))


async def build(settings: Settings, stack: AsyncExitStack, reporter: Reporter) -> App:
    """Construct and connect everything, bound to its port but not started.

    Args:
        settings: What to build.
        stack: Closes what was opened, in reverse.
        reporter: Takes the reports.

    Raises:
        CannotBind: The address cannot be listened on.
    """
    clock = asyncio.get_running_loop().time
    providers = await build_providers(settings, stack, reporter, clock)
    # Entered after the connections, so that no loop is left to use them once they are closed.
    background = await stack.enter_async_context(Background())
    require = Require(settings.health.require)
    known = facts(providers.targets, providers.inventory)
    board = Board(verdict(known, require), reporter)
    in_flight = InFlight()
    admission = Admission(max_chats=settings.server.max_chats)
    limits = settings.limits
    server = assemble(
        guard=Guard(
            time_limits(
                chat_s=limits.chat_deadline_s,
                stream_s=limits.stream_deadline_s,
                cap_s=limits.deadline_cap_s,
            ),
            in_flight=in_flight,
            reporter=reporter,
            clock=clock,
        ),
        llm=LLMServicer(FailoverRouter(providers.targets, providers.inventory), admission),
        health=HealthServicer(board),
        reflection=settings.server.reflection,
        options=server_options(
            max_message_bytes=limits.max_message_bytes, longest_call_s=limits.deadline_cap_s
        ),
    )
    # A drained server is stopped already; this is for every other way out.
    stack.push_async_callback(server.stop, 0)
    return App(
        server=server,
        port=bind(server, settings.server.listen),
        board=board,
        require=require,
        in_flight=in_flight,
        admission=admission,
        providers=providers,
        background=background,
    )
