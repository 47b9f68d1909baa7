"""Which addresses a local provider may have, as far as the configuration tells."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsvc_server.config.home import foreign
from llmsvc_server.providers.networks import Networks
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
NEVER = ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"]
NO_NETWORKS = {
    "x": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "100.64.0.0/33": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "gpu-1": "is no range of addresses; write a range of addresses such as 100.64.0.0/10",
    "100.64.0.1/10": "is an address inside of a range; write 100.64.0.0/10",
    "0.0.0.0/0": "holds every address there is; name the operator's own networks",
    "::/0": "holds every address there is; name the operator's own networks",
    "169.254.0.0/16": (
        "holds addresses at which clouds hand out credentials; remove it: no local provider is"
        " there"
    ),
    "169.254.169.254": (
        "holds addresses at which clouds hand out credentials; remove it: no local provider is"
        " there"
    ),
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


def test_networks_of_a_cloud_are_refused(tmp_path: Path) -> None:
    assert [
        "local_networks: counts for a local provider only; set local: true, or remove it"
    ] == refusals(tmp_path, "openai", local_networks=["10.0.0.0/8"])


def test_a_cloud_may_have_any_address(tmp_path: Path) -> None:
    assert openai(tmp_path, base_url="http://8.8.8.8:1/v1").base_url == "http://8.8.8.8:1/v1"


@settings(deadline=None)  # a busy machine is no failure
@given(ip=st.ip_addresses(), added=st.sampled_from([(), ("100.64.0.0/10", "2000::/3")]))
def test_the_configuration_and_the_connector_agree(ip: object, added: tuple[str, ...]) -> None:
    refused = list(foreign({("base_url",): url_of(str(ip))}, added))

    assert Networks(added).holds(str(ip)) is not bool(refused)
