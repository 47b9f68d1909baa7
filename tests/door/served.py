"""Run by a test: serves the methods of this folder through one door, until its stdin says how to stop.

Prints what it is and where, then, once it has stopped, that it has.
"""

import asyncio
import gc
import json
import sys

import uvloop

from llmsvc_server.rpc.door.choice import Wish, open_door
from llmsvc_server.rpc.door.interface import NoGuard
from llmsvc_server.rpc.options import server_options
from tests.door.methods import SERVICE, Methods

MAX_MESSAGE_BYTES = 5_242_880


async def main(wish: str) -> None:
    """Serve two listeners; stop with the grace that a line of stdin says.

    No garbage is collected, so that what a call leaves behind in a cycle is seen to be held.
    """
    gc.disable()
    opened = await open_door(Wish(wish))
    options = server_options(max_message_bytes=MAX_MESSAGE_BYTES, max_call_s=60)
    servers, addresses = [], []
    for _ in range(2):
        server = opened.door.make_server(NoGuard(), options)
        server.add_registered_method_handlers(SERVICE, Methods().handlers())
        addresses.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        servers.append(server)
    _say(door=opened.door.name, why=opened.why, addresses=addresses)
    grace = json.loads(await asyncio.to_thread(sys.stdin.readline) or "0")
    first, second = servers
    await first.stop(grace)
    _say(stopped=True)
    await second.stop(0)


def _say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
