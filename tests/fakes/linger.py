"""Closing a TCP connection rudely."""

import asyncio
import socket
import struct


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the next close of this connection a reset (RST), whatever loop the transport is of."""
    of_loop = transport.get_extra_info("socket")
    # uvloop's socket objects take no options; a duplicate shares them with the original.
    with socket.fromfd(of_loop.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
