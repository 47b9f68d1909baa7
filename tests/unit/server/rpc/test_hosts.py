import pytest

from llmsvc_server.rpc.hosts import host_of


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:50612", "10.0.0.7"),
        ("ipv6:%5B::1%5D:50612", "::1"),
        ("ipv6:[::1]:50612", "::1"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:50612", "10.0.0.7"),
        ("ipv6:%5B2606:4700:1:2:3:4:5:6%5D:50612", "2606:4700:1:2::/64"),
        ("ipv6:%5Bfd00:10:244:1::7%5D:50612", "fd00:10:244:1::7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50612", "fe80::1%eth0"),
        ("ipv6:%5Bno address%5D:50612", "no address"),
        ("unix:", "unix"),
        ("unix:/run/llmsvc:1.sock", "unix"),
        ("unix-abstract:a:b", "unix-abstract"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_host_is_told_from_its_peers_address(peer: str, host: str) -> None:
    assert host == host_of(peer)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ipv4:10.0.0.7:1", "ipv4:10.0.0.7:2", True),
        ("ipv4:10.0.0.7:1", "ipv4:10.0.0.8:1", False),
        ("ipv6:%5B2606:4700:1:2::1%5D:1", "ipv6:%5B2606:4700:1:2:ffff::%5D:1", True),
        ("ipv6:%5B2606:4700:1:2::1%5D:1", "ipv6:%5B2606:4700:1:3::1%5D:1", False),
        ("ipv6:%5Bfd00::1%5D:1", "ipv6:%5Bfd00::2%5D:1", False),
        ("ipv4:10.0.0.7:1", "ipv6:%5B::ffff:10.0.0.7%5D:1", True),
    ],
)
def test_who_is_the_same_host(one: str, other: str, *, same: bool) -> None:
    assert same == (host_of(one) == host_of(other))
