"""The door that works everywhere: grpc.aio, by its public API alone."""

from typing import cast

import grpc
from typing_extensions import override

from llmsvc_server.rpc.door.interface import Door, Options, Server


class AioDoor(Door):
    """Makes servers of grpc.aio."""

    name = "aio"

    def __init__(self) -> None:
        """Keep gRPC's poller.

        One reference that nobody gives back: the last one given back stops the poller, which can
        wait for ever (grpc/grpc#22365).
        """
        grpc.aio.init_grpc_aio()

    @override
    def make_server(self, guard: grpc.aio.ServerInterceptor, options: Options) -> Server:
        return cast("Server", grpc.aio.server(interceptors=[guard], options=options))
