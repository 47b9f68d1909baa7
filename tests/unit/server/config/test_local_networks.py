"""Which addresses a local provider may have, as far as the configuration tells."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.config.home import find_foreign
from llmsvc_server.providers.http.networks import Networks
from tests.unit.server.config.entries import ollama, openai, refusals

INSIDE = [
    "http://127.0.0.1:1",
    "http://127.9.9.9:1",
    "http://[::1]:1",
    "http://10.1.2.3:1",
    "http://172.31.0.1:1",
    "http://192.168.1.1:1",
    "http://[fd12::1]:1",
    "http://[::ffff:10.0.0.1]:1",
    "http://gpu-1:1",
    "http://example.com:1",
]
OUTSIDE = ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8"]
NEVER = [
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fe80::a9fe:a9fe"),
    *("::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"),
]
HANDS_OUT = (
    "holds addresses at which clouds hand out credentials; remove it: no local provider is there"
)
NO_NETWORKS = {
    "x": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "100.64.0.0/33": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "gpu-1": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "100.64.0.1/10": "is an address inside of a range; write 100.64.0.0/10",
    "169.254.0.0/16": HANDS_OUT,
    "169.254.169.254": HANDS_OUT,
    "100.100.100.200/32": HANDS_OUT,
    "fd20:ce::254": HANDS_OUT,
    "fd00:ec2::/64": HANDS_OUT,
    "64:ff9b::a9fe:0/112": HANDS_OUT,
    "::ffff:100.64.0.0/106": (
        "is IPv4 in the form of IPv6, which is dialled as IPv4; write 100.64.0.0/10"
    ),
    "::ffff:0:0/96": "is IPv4 in the form of IPv6, which is dialled as IPv4; write 0.0.0.0/0",
}
HALVES = ["0.0.0.0/1", "128.0.0.0/1"]
SIXTY_FOURTHS = [f"{block * 4}.0.0.0/6" for block in range(64)]
TOO_MUCH = {
    "all": ["0.0.0.0/0"],
    "all of IPv6": ["::/0"],
    "all in halves": HALVES,
    "all but a little": [
        str(ipaddress.ip_network((2**32 - 2**bits, 33 - bits - 1))) for bits in range(31, 0, -1)
    ],
    "all in pieces": SIXTY_FOURTHS,
    "half": HALVES[:1],
    "the upper half": HALVES[1:],
    "a few blocks": ["8.0.0.0/8", "9.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8", "13.0.0.0/8"],
    "all that is assigned of IPv6": ["2000::/3"],
    "IPv6 in halves": ["::/1", "8000::/1"],
    "a registry's": ["2600::/12"],
    "two of IPv6": ["2a00::/16", "2a01::/16"],
    "IPv4 behind NAT64": ["64:ff9b::/96"],
    "half of it behind NAT64": ["64:ff9b::/97"],
    "IPv4 behind a NAT64 of one's own": ["64:ff9b:1:2::/96"],
    "IPv4 behind 6to4": ["2002::/16"],
    "IPv4 by two ways": ["100.64.0.0/10", "8.0.0.0/8", "64:ff9b::c00:0/102", "2002:1000::/22"],
    "IPv4 compatible": ["::/96"],
}
NOT_TOO_MUCH = {
    "shared space": ["100.64.0.0/10"],
    "four blocks": ["17.0.0.0/8", "19.0.0.0/8", "25.0.0.0/8", "48.0.0.0/8"],
    "the same one more than once": ["17.0.0.0/8", *["17.0.0.0/8"] * 9, "64:ff9b::1100:0/104"],
    "what is private anyway": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    "what is on the link": ["fe80::/10"],
    "private ranges behind NAT64": ["64:ff9b::10.0.0.0/104"],
    "a provider's": ["2003::/19", "2a01:c000::/19"],
}


def url_of(ip: str) -> str:
    """Return an address with that host."""
    return f"http://[{ip}]:1" if ":" in ip else f"http://{ip}:1"


@pytest.mark.parametrize("url", INSIDE)
def test_loopback_private_ranges_and_names_are_taken(tmp_path: Path, url: str) -> None:
    assert ollama(tmp_path, base_url=url).urls == (url,)
    assert openai(tmp_path, base_url=url, local=True).base_url == url


@pytest.mark.parametrize("ip", OUTSIDE)
def test_another_literal_address_is_refused_with_the_setting_that_allows_it(
    tmp_path: Path, ip: str
) -> None:
    for kind, keys in {"ollama": {}, "openai": {"local": True}}.items():
        (line,) = refusals(tmp_path, kind, base_url=url_of(ip), **keys)

        assert line.startswith("base_url: lies outside of the operator's network; if ")
        assert line.endswith("is the operator's own, add it to local_networks")


@pytest.mark.parametrize("ip", NEVER)
def test_an_address_that_hands_out_credentials_is_refused(tmp_path: Path, ip: str) -> None:
    assert [
        (
            "base_url: is an address at which clouds hand out credentials; write the provider's own"
            " address"
        )
    ] == refusals(tmp_path, "ollama", base_url=url_of(ip))


def test_the_operator_can_count_a_network_as_local(tmp_path: Path) -> None:
    networks = ["100.64.0.0/10", "2001:db8::/32", "8.8.8.8"]
    urls = ["http://100.64.0.1:1", "http://[2001:db8::1]:1", "http://8.8.8.8:1"]
    entry = ollama(tmp_path, base_urls=urls, local_networks=networks)

    assert entry.urls == tuple(urls)
    assert entry.local_networks == ("100.64.0.0/10", "2001:db8::/32", "8.8.8.8/32")


def test_the_bad_one_of_several_addresses_is_named(tmp_path: Path) -> None:
    (line,) = refusals(tmp_path, "ollama", base_urls=["http://10.0.0.1", "http://8.8.8.8"])

    assert line.startswith("base_urls.1: lies outside")


@pytest.mark.parametrize("text", NO_NETWORKS)
def test_what_is_no_network_is_refused(tmp_path: Path, text: str) -> None:
    assert [f"local_networks.0: {NO_NETWORKS[text]}"] == refusals(
        tmp_path, "ollama", local_networks=[text]
    )


@pytest.mark.parametrize("networks", TOO_MUCH.values(), ids=TOO_MUCH)
def test_networks_that_are_the_internet_together_are_refused(
    tmp_path: Path, networks: list[str]
) -> None:
    assert [
        (
            "local_networks: hold more of the internet together than an operator's own networks do;"
            " name those in which the servers stand, at most four times /8 and one /16 of IPv6"
        )
    ] == refusals(tmp_path, "ollama", local_networks=networks)


@pytest.mark.parametrize("networks", NOT_TOO_MUCH.values(), ids=NOT_TOO_MUCH)
def test_networks_that_somebody_may_own_are_taken(tmp_path: Path, networks: list[str]) -> None:
    assert [] == refusals(
        tmp_path,
        "openai",
        local=True,
        base_url="http://gpu:1/v1",
        model="m",
        local_networks=networks,
    )


def test_networks_of_a_cloud_are_refused(tmp_path: Path) -> None:
    assert [
        "local_networks: counts for a local provider only; set local: true, or remove it"
    ] == refusals(tmp_path, "openai", local_networks=["10.0.0.0/8"])


def test_a_cloud_may_have_any_address(tmp_path: Path) -> None:
    assert openai(tmp_path, base_url="http://8.8.8.8:1/v1").base_url == "http://8.8.8.8:1/v1"


@given(ip=st.ip_addresses(), added=st.sampled_from([(), ("100.64.0.0/10", "2000::/3")]))
def test_the_configuration_and_the_connector_agree(ip: object, added: tuple[str, ...]) -> None:
    refused = list(find_foreign({("base_url",): url_of(str(ip))}, added))

    assert Networks(added).holds(str(ip)) is not bool(refused)
