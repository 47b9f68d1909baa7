"""Run by a test, since a process has one pump: makes it, and prints what it says of itself all along.

Ends by an error if a closed pump still looks for events.
"""

import asyncio
import sys

from llmsvc_server.rpc.door.pump import IDLE_TICK_S, LoopPump


async def main() -> None:
    """Make a pump, let it tick, close it."""
    pump = LoopPump()
    said = [repr(pump)]
    pump.begin_ticking()
    said.append(repr(pump))
    await asyncio.sleep(2 * IDLE_TICK_S)
    pump.close()
    said.append(repr(pump))
    pump.queue = None  # whoever asks it now fails
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: sys.exit(str(context)))
    await asyncio.sleep(2 * IDLE_TICK_S)
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    asyncio.run(main())
