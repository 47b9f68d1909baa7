import socket

import pytest

from llmsvc_server.rpc.listening import NotFree, find_free, resolve_listen

FOREIGN = "192.0.2.1"  # of a range that no machine has (RFC 5737)


def test_what_this_machine_does_not_have_is_left_out_and_told() -> None:
    found = find_free(["127.0.0.1", FOREIGN], 0)

    assert (f"127.0.0.1:{found.port}",) == found.addresses
    assert (f"{FOREIGN}:{found.port}",) == found.absent


def test_one_taken_address_is_enough_to_fail() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(NotFree) as raised:
            find_free(["127.0.0.1", "127.0.0.2"], port)

    assert f"127.0.0.2:{port}" == raised.value.address
    assert "another process" in raised.value.why


def test_a_drawn_port_is_the_same_on_all() -> None:
    found = find_free(["127.0.0.1", "127.0.0.2", "127.0.0.3"], 0)

    assert {found.port} == {int(one.rpartition(":")[2]) for one in found.addresses}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_wildcards_and_localhost_are_both_families() -> None:
    found = {host: resolve_listen(f"{host}:0") for host in ("0.0.0.0", "[::]", "localhost")}  # noqa: S104  let go at once
    hosts = {
        host: [one.rpartition(":")[0] for one in place.addresses] for host, place in found.items()
    }

    assert hosts == {"0.0.0.0": ["[::]"], "[::]": ["[::]"], "localhost": ["127.0.0.1", "[::1]"]}  # noqa: S104  the same


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (f"{FOREIGN}:1", "does not have this address"),
        ("no-such-host.invalid:1", "nobody knows this host"),
        (f"{'a' * 64}.invalid:1", "nobody knows this host"),
        ("nonsense", "not HOST:PORT"),
    ],
)
def test_reasons_are_told_apart(address: str, why: str) -> None:
    with pytest.raises(NotFree) as raised:
        resolve_listen(address)

    assert address == raised.value.address
    assert why in raised.value.why
