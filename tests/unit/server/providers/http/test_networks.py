import pytest

from llmsvc_server.providers.http.networks import Networks


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "fd12::1",
        "fd12::1%eth0",
        "::ffff:10.0.0.1",
    ],
)
def test_holds_what_is_at_home(address: str) -> None:
    assert Networks().holds(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "172.15.255.255",
        "172.32.0.0",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  nothing listens
        "169.254.1.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "2001:db8::1",
        "::ffff:8.8.8.8",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "localhost",
        "10.0.0.1.example.org",
        "",
    ],
)
def test_holds_nothing_else(address: str) -> None:
    assert not Networks().holds(address)


def test_holds_what_the_operator_adds() -> None:
    networks = Networks(["100.64.0.0/10", "2001:db8::/32"])

    assert networks.holds("100.64.0.1")
    assert networks.holds("::ffff:100.64.0.1")
    assert networks.holds("2001:db8::1")
    assert networks.holds("10.0.0.1")
    assert not networks.holds("2001:db9::1")


METADATA = (
    "169.254.169.254",
    "169.254.170.2",  # roles of containers at AWS
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",  # roles of pods at AWS
    "fd20:ce::254",
    "fd20:00ce:0:0:0:0:0:254%eth0",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fd00:100::100:200",
    "fd00:a9fe:a9fe::1",
    "fe80::a9fe:a9fe%eth0",
    "::ffff:169.254.169.254",
    "::ffff:100.100.100.200",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a83f:8110",  # 168.63.129.16
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:abcd::6464:64c8",  # 100.100.100.200
    "2002:a9fe:a9fe::1",
    "2002:6464:64c8:1:2:3:4:5",
)


@pytest.mark.parametrize("address", METADATA)
def test_never_holds_the_metadata_services_of_clouds(address: str) -> None:
    assert not Networks(["0.0.0.0/0", "::/0", "169.254.0.0/16", "100.64.0.0/10"]).holds(address)


def test_holds_the_neighbours_of_metadata_services_where_the_operator_says_so() -> None:
    networks = Networks(["100.64.0.0/10", "64:ff9b::/96", "fe80::/10"])

    assert networks.holds("100.100.100.201")
    assert networks.holds("64:ff9b::100.100.100.201")
    assert networks.holds("fe80::1%eth0")
    assert networks.holds("fd20:ce::253")


@pytest.mark.parametrize("network", ["example.org", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_takes_nothing_that_is_no_network(network: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Networks([network])
