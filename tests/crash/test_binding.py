import asyncio
import json
import socket

import pytest

from tests.crash.scripts import run


async def bound(address: str, *, times: int = 1) -> list[int | str]:
    """Return the port, or what was raised, of each attempt of a process to bind."""
    ended = await run("binding", address, str(times))
    outcomes: list[int | str] = json.loads(ended.stdout)
    assert (0, []) == (ended.exit_code, ended.noise)
    return outcomes


async def test_a_second_server_of_a_process_on_the_port_fails() -> None:
    port, second = await bound("127.0.0.1:0", times=2)

    assert f"CannotBind 127.0.0.1:{port}" == second


async def test_a_server_on_another_processes_port_fails() -> None:
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        outcomes = await bound(f"127.0.0.1:{port}")

    assert [f"CannotBind 127.0.0.1:{port}"] == outcomes


@pytest.mark.parametrize(
    "address", ["192.0.2.1:50051", "no-such-host.invalid:50051", "nonsense", ""]
)
async def test_an_address_that_is_not_of_this_machine_fails(address: str) -> None:
    assert [f"CannotBind {address}"] == await bound(address)


async def test_a_port_is_free_again_once_its_server_is_gone() -> None:
    (port,) = await bound("127.0.0.1:0")
    with socket.create_server(("127.0.0.1", int(port))):
        pass

    assert [port] == await bound(f"127.0.0.1:{port}")
