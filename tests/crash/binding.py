"""Run by a test: binds an address as often as it is told, and prints how each attempt went."""

import asyncio
import json
import sys

import grpc

from llmsvc_server.rpc.listening import CannotBind
from llmsvc_server.rpc.options import server_options
from llmsvc_server.rpc.server import bind


async def main(address: str, times: int) -> None:
    """Bind `address` `times` times, each with a server of its own; port 0 is taken once."""
    outcomes: list[list[str]] = []
    servers = []
    for _ in range(times):
        server = grpc.aio.server(
            options=server_options(max_message_bytes=1_000_000, max_call_s=1800)
        )
        servers.append(server)
        try:
            places = bind(server, address)
        except CannotBind as error:
            outcomes.append([f"{type(error).__name__} {error}"])
            continue
        await server.start()
        outcomes.append(list(places.addresses))
        address = address.rpartition(":")[0] + f":{places.port}"
    sys.stdout.write(json.dumps(outcomes))
    for server in servers:
        await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
