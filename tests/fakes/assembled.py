"""The real gRPC server, on a real port, over targets that a test scripts at our own seam."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from llmsvc.v1 import llm_pb2_grpc
from llmsvc_server.app.tasks import Background
from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.route import Privacy
from llmsvc_server.health.board import Board
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.routing.targets import Target, Targets
from llmsvc_server.rpc.arrivals import Arrivals
from llmsvc_server.rpc.guard import Guard
from llmsvc_server.rpc.health_servicer import HealthServicer, watches
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.llm_servicer import LLMServicer
from llmsvc_server.rpc.open_streams import OpenStreams
from llmsvc_server.rpc.options import server_options
from llmsvc_server.rpc.reflection_servicer import reflections
from llmsvc_server.rpc.server import assemble, bind, method_table
from llmsvc_server.rpc.unsent import Unsent
from tests.fakes.chances import STEADY
from tests.fakes.doors import door_here
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.scripted_provider import ScriptedProvider
from tests.fakes.scripted_upstream import ScriptedUpstream

LAST_CALLS_S = 5.0
"""For calls that gRPC is done with to end by themselves."""

MODEL = "phi3:mini"


def everyday_held(max_bytes: int = 64 * 1024 * 1024) -> HeldAnswers:
    """Return what counts answers in memory, by default with room for every test's."""
    return HeldAnswers(max_each_bytes=MAX_ANSWER_BYTES, max_bytes=max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A served router, and everything a test may want to look at."""

    channel: grpc.aio.Channel
    stub: "llm_pb2_grpc.LLMServiceAsyncStub"  # a name for type checkers only
    board: Board
    in_flight: InFlight
    admission: Admission
    held: HeldAnswers
    held_of_others: HeldAnswers
    inventory: Inventory
    reporter: ListeningReporter
    background: Background
    address: str


@asynccontextmanager
async def assembled(  # noqa: PLR0913  a server's settings, all by keyword
    *providers: ScriptedProvider,
    max_chats: int = 512,
    chat_s: float = 120.0,
    stream_s: float = 600.0,
    write_s: float = 30.0,
    max_held_bytes: int = 64 * 1024 * 1024,
    max_other_bytes: int = 64 * 1024 * 1024,
    cap_s: float = 1800.0,
    max_message_bytes: int = 5 * 1024 * 1024,
    max_request_bytes: int = 24 * 1024 * 1024,
    compressed_requests: bool = False,
    most_arriving: int = 12,
    is_memory_short: Callable[[], bool] = lambda: False,
    reflection: bool = True,
    reflecting: OpenStreams | None = None,
    watching: OpenStreams | None = None,
    privacy: Privacy = Privacy.CLOUD_ALLOWED,
) -> AsyncIterator[Assembled]:
    """Serve `providers`, in order, each with MODEL as its default model; look at them once."""
    reporter = ListeningReporter()
    clock = time.monotonic
    sources = {one.info.name: {one.info.name: one} for one in providers}
    inventory = Inventory(sources, reporter, clock)
    targets = Targets(
        sequence=[Target(upstream=ScriptedUpstream(one), default_model=MODEL) for one in providers],
        privacy=privacy,
    )
    in_flight = InFlight()
    admission = Admission(max_chats=max_chats, max_request_bytes=max_request_bytes)
    arrivals = Arrivals(max_arriving=most_arriving, is_memory_short=is_memory_short, clock=clock)
    held = everyday_held(max_held_bytes)
    unsent = Unsent(held, timeout_s=write_s)
    held_of_others = everyday_held(max_other_bytes)
    board = Board({"": True, "liveness": True, "readiness": True}, reporter)
    server = assemble(
        door_here(),
        guard=Guard(
            method_table(
                chat_s=chat_s,
                stream_s=stream_s,
                cap_s=cap_s,
                registry=in_flight,
                reporter=reporter,
                gate=unsent,
            ),
            arrivals=arrivals,
            probes=Unsent(held_of_others, timeout_s=write_s),
            clock=clock,
        ),
        llm=LLMServicer(
            FailoverRouter(
                targets,
                inventory,
                remote_when_busy=True,
                held=held,
                rng=STEADY,
            ),
            admission,
            held=held,
            unsent=unsent,
            write_timeout_s=write_s,
        ),
        health=HealthServicer(board, watching or watches()),
        reflection=(reflecting or reflections()) if reflection else None,
        options=server_options(
            max_message_bytes=max_message_bytes,
            max_call_s=cap_s,
            compressed_requests=compressed_requests,
        ),
    )
    address = bind(server, "127.0.0.1:0").addresses[0]
    for one in providers:
        await inventory.refresh(one.info.name, one.info.name)
    await server.start()
    try:
        async with Background() as background, grpc.aio.insecure_channel(address) as channel:
            yield Assembled(
                channel=channel,
                stub=llm_pb2_grpc.LLMServiceStub(channel),
                board=board,
                in_flight=in_flight,
                admission=admission,
                held=held,
                held_of_others=held_of_others,
                inventory=inventory,
                reporter=reporter,
                background=background,
                address=address,
            )
    finally:
        board.drain()
        await server.stop(0)
        async with asyncio.timeout(LAST_CALLS_S):
            await in_flight.empty()
