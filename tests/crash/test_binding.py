import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.crash.scripts import run

NO_IPV6 = not socket.has_dualstack_ipv6()
both_families = pytest.mark.skipif(NO_IPV6, reason="this machine has no IPv6")


async def bound(address: str, *, times: int = 1) -> list[list[str]]:
    """Return the addresses of each attempt of a process to bind, or the one thing it raised."""
    ended = await run("binding", address, str(times))
    outcomes: list[list[str]] = json.loads(ended.stdout)
    assert (0, []) == (ended.exit_code, ended.noise)
    return outcomes


@contextmanager
def taken(host: str) -> Iterator[int]:
    """Listen on a port of one address; yield the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        yield other.getsockname()[1]


async def test_a_second_server_of_a_process_on_the_port_fails() -> None:
    ((first,), second) = await bound("127.0.0.1:0", times=2)

    assert [f"CannotBind {first}"] == second


async def test_a_server_on_another_processes_port_fails() -> None:
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        outcomes = await bound(f"127.0.0.1:{port}")

    assert [[f"CannotBind 127.0.0.1:{port}"]] == outcomes


@pytest.mark.parametrize(
    "address",
    ["192.0.2.1:50051", "[2001:db8::1]:0", "no-such-host.invalid:50051", "nonsense", ":1", ""],
)
async def test_an_address_that_is_not_of_this_machine_fails(address: str) -> None:
    assert [[f"CannotBind {address}"]] == await bound(address)


async def test_a_port_is_free_again_once_its_server_is_gone() -> None:
    ((address,),) = await bound("127.0.0.1:0")
    host, _, port = address.rpartition(":")
    with socket.create_server((host, int(port))):
        pass

    assert [[address]] == await bound(address)


@both_families
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104  core takes both for both
async def test_a_wildcard_is_both_families(host: str) -> None:
    ((address,),) = await bound(f"{host}:0")

    assert address.startswith("[::]:")


@both_families
@pytest.mark.parametrize("other", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104  the same
async def test_a_wildcard_of_which_a_part_is_taken_fails(host: str, other: str) -> None:
    with taken(other) as port:
        assert [[f"CannotBind [::]:{port}"]] == await bound(f"{host}:{port}")


async def test_localhost_is_each_loopback_address_with_one_port() -> None:
    (addresses,) = await bound("localhost:0")
    hosts = [one.rpartition(":")[0] for one in addresses]

    assert (["127.0.0.1"] if NO_IPV6 else ["127.0.0.1", "[::1]"]) == hosts
    assert len({one.rpartition(":")[2] for one in addresses}) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=both_families)])
async def test_localhost_of_which_one_address_is_taken_fails_and_says_which(host: str) -> None:
    with taken(host) as port:
        written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

        assert [[f"CannotBind {written}"]] == await bound(f"localhost:{port}")
