"""Which addresses lie in the operator's network, as far as settings can tell.

The connector checks every address that it dials; this finds the plain mistakes before any start.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from llmsvc_server.config.section import Expected, Misfit, blank_is_empty, refused

_HOME = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    )
)
# Metadata services of clouds answer there, and hand out credentials.
_NEVER = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fd00:ec2::254")))
_WORDS = "a range of addresses such as 100.64.0.0/10"


def _checked_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise refused("is no range of addresses", f"write {_WORDS}") from None
    if network.prefixlen == 0:
        raise refused("holds every address there is", "name the operator's own networks")
    if any(_is_inside(network, never) for never in _NEVER):
        what = "holds addresses at which clouds hand out credentials"
        raise refused(what, "remove it: no local provider is there")
    if "/" in text and str(network) != str(ipaddress.ip_interface(text)):
        raise refused("is an address inside of a range", f"write {network}")
    return str(network)


def _is_inside(
    inner: ipaddress.IPv4Network | ipaddress.IPv6Network,
    outer: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    first, last = inner.network_address, inner.broadcast_address
    return first in outer and last in outer


LocalNetworks = Annotated[
    tuple[Annotated[str, AfterValidator(_checked_network)], ...],
    BeforeValidator(blank_is_empty),
    Field(
        max_length=64,
        description="Networks that count as the operator's own besides loopback and the private"
        " ranges (RFC 1918, RFC 4193). A local provider connects to no other address.",
        examples=[["100.64.0.0/10"]],
    ),
    Expected("a list of ranges of addresses such as [100.64.0.0/10]"),
]


def foreign(urls: Mapping[tuple[str, ...], str], networks: Sequence[str]) -> Iterator[Misfit]:
    """Yield what is wrong with addresses of a local provider, each with its place.

    A host that is a name is not looked up: the connector does that.

    Args:
        urls: Addresses by their places in the entry.
        networks: Its `local_networks`.
    """
    allowed = (*_HOME, *map(ipaddress.ip_network, networks))
    for place, url in urls.items():
        host = (urlsplit(url).hostname or "").partition("%")[0]
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            continue
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if any(ip in network for network in _NEVER):
            what = "is an address at which clouds hand out credentials"
            yield place, refused(what, "write the provider's own address")
        elif not any(ip in network for network in allowed):
            what = "lies outside of the operator's network"
            yield place, refused(what, f"if {ip} is the operator's own, add it to local_networks")
