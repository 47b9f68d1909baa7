"""Callers on several hosts, all on this machine: Linux has all of 127.0.0.0/8."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from tests.fakes.crowd import ALONE
from tests.fakes.faulty_tcp import FaultyTcp, Mode


@asynccontextmanager
async def channel_from(host: str, address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to a server whose calls come from `host`, such as 127.0.0.7."""
    port = int(address.rpartition(":")[2])
    async with (
        FaultyTcp(Mode.PASS, target_port=port, host=host) as tcp,
        grpc.aio.insecure_channel(f"127.0.0.1:{tcp.port}", options=ALONE) as channel,
    ):
        yield channel
