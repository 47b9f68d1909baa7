import asyncio
import inspect

import pytest

from llmsvc_client import BlockingClient, BlockingStream, ChatStream, Client

TWINS = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__anext__": "__next__"}


def public(kind: type) -> dict[str, object]:
    """Return what callers use: methods with their parameters, properties without."""
    return {
        TWINS.get(name, name): tuple(inspect.signature(member).parameters.values())
        if inspect.isfunction(member)
        else type(member)
        for name, member in vars(kind).items()
        if not name.startswith("_") or name in {*TWINS, *TWINS.values(), "__init__"}
    }


def test_the_blocking_client_has_the_same_methods_and_parameters() -> None:
    assert public(Client) == public(BlockingClient)


def test_the_blocking_stream_has_the_same_methods_and_parameters() -> None:
    theirs, ours = public(ChatStream), public(BlockingStream)
    del theirs["__init__"], ours["__init__"]  # made by the clients, not by callers

    assert theirs == ours


def test_refuses_to_block_a_running_loop() -> None:
    async def block() -> None:
        with pytest.raises(RuntimeError, match="use Client with await"):
            BlockingClient("127.0.0.1:1").chat("hi")

    asyncio.run(block())
