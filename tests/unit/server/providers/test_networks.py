import pytest

from llmsvc_server.providers.networks import Networks


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


@pytest.mark.parametrize("network", ["0.0.0.0/0", "169.254.0.0/16", "::/0"])
def test_never_holds_the_metadata_services_of_clouds(network: str) -> None:
    networks = Networks([network])

    assert not networks.holds("169.254.169.254")
    assert not networks.holds("::ffff:169.254.169.254")
    assert not networks.holds("fd00:ec2::254")


@pytest.mark.parametrize("network", ["example.org", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_takes_nothing_that_is_no_network(network: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Networks([network])
