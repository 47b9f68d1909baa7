"""Assembly of the gRPC server. Reads as a list."""

from typing import cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.reports import Reporter
from llmsvc_server.rpc.callinfo import TimeLimits
from llmsvc_server.rpc.door.interface import Door, Options, Server
from llmsvc_server.rpc.guard import Guard
from llmsvc_server.rpc.health_servicer import HealthServicer
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.listening import TAKEN, CannotBind, ListenAddresses, NotFree, resolve_listen
from llmsvc_server.rpc.llm_servicer import LLMServicer
from llmsvc_server.rpc.methods import MethodRules, MethodTable
from llmsvc_server.rpc.open_streams import OpenStreams
from llmsvc_server.rpc.reflection_servicer import reflection_handlers
from llmsvc_server.rpc.unsent import Unsent

LLM_SERVICE = llm_pb2.DESCRIPTOR.services_by_name["LLMService"].full_name
HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


def method_table(  # noqa: PLR0913  plain parts, all by keyword
    *,
    chat_s: float,
    stream_s: float,
    cap_s: float,
    registry: InFlight,
    reporter: Reporter,
    gate: Unsent,
) -> MethodTable:
    """Return how the guard treats each method of the product's service.

    Args:
        chat_s: Our limit on a Chat whose caller sets none.
        stream_s: The same of a ChatStream.
        cap_s: Longest call, whatever its caller wants.
        registry: Knows the calls that run.
        reporter: Is told of them.
        gate: Counts what callers have not taken.
    """
    defaults_s = {"Chat": chat_s, "ChatStream": stream_s}
    return {
        f"/{LLM_SERVICE}/{name}": MethodRules(
            limits=TimeLimits(default_s=default_s, cap_s=cap_s),
            registry=registry,
            reporter=reporter,
            gate=gate,
        )
        for name, default_s in defaults_s.items()
    }


def assemble(  # noqa: PLR0913  its parts, all but one by keyword
    door: Door,
    *,
    guard: Guard,
    llm: LLMServicer,
    health: HealthServicer,
    reflection: OpenStreams | None,
    options: Options,
) -> Server:
    """Return the server, not yet bound or started.

    Args:
        door: Makes the server.
        guard: What every call passes.
        llm: Answers chats.
        health: Answers probes.
        reflection: The bounds of reflection; None to serve none.
        options: Of the listener and its connections.
    """
    server = door.make_server(guard, options)
    llm_pb2_grpc.add_LLMServiceServicer_to_server(llm, cast("grpc.aio.Server", server))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if reflection is not None:
        served = reflection_handlers([LLM_SERVICE, HEALTH_SERVICE], reflection)
        server.add_generic_rpc_handlers(served)
    return server


def assemble_health(
    door: Door, *, guard: Guard, health: HealthServicer, options: Options
) -> Server:
    """Return a server of health alone, not yet bound or started."""
    server = door.make_server(guard, options)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return server


def bind(server: Server, listen: str, *, setting: str = "server.listen") -> ListenAddresses:
    """Listen on all that `listen` means, "host:port", and return it.

    Args:
        server: Not started yet.
        listen: As `resolve_listen` takes it.
        setting: Where it was said.

    Raises:
        CannotBind: Not all of it can be listened on.
    """
    try:
        found = resolve_listen(listen)
        for address in found.addresses:
            _add(server, address)
    except NotFree as error:
        raise CannotBind(listen, error.address, f"{error.why}, or set {setting}") from None
    return found


def _add(server: Server, address: str) -> None:
    try:
        server.add_insecure_port(address)
    except RuntimeError:  # somebody took it since we looked
        raise NotFree(address, TAKEN) from None
