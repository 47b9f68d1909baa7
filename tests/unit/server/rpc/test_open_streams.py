import asyncio

import pytest

from llmsvc_server.rpc.open_streams import OpenStreams, StreamLimitReached


def streams(*, per_connection: int = 2, in_all: int = 3, max_s: float = 60) -> OpenStreams:
    return OpenStreams("testing", per_connection=per_connection, in_all=in_all, max_s=max_s)


async def test_a_connection_has_so_many_places_and_all_together_so_many() -> None:
    bounds = streams()
    async with bounds.place("a"), bounds.place("a"):
        with pytest.raises(StreamLimitReached, match="This connection has 2 streams of testing"):
            await bounds.place("a").__aenter__()
        async with bounds.place("b"):
            with pytest.raises(StreamLimitReached, match="This server has 3 streams of testing"):
                await bounds.place("c").__aenter__()


async def test_a_place_that_was_left_is_free_again() -> None:
    bounds = streams(per_connection=1, in_all=1)
    for connection in ("a", "a", "b"):
        async with bounds.place(connection):
            pass
    with pytest.raises(KeyError):
        async with bounds.place("a"):
            raise KeyError
    async with bounds.place("a"):
        pass


async def test_a_stream_ends_in_time_and_frees_its_place() -> None:
    bounds = streams(in_all=1, max_s=0.01)
    for _ in range(2):
        with pytest.raises(StreamLimitReached, match=r"ends after 0\.01 s; begin another one"):
            async with bounds.place("a"):
                await asyncio.Event().wait()


async def test_a_timeout_of_something_else_stays_one() -> None:
    with pytest.raises(TimeoutError):
        async with streams().place("a"):
            raise TimeoutError
