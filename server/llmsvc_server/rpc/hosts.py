"""Which host a call comes from. Until callers have names, turns go round hosts."""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from urllib.parse import unquote

REMEMBERED = 1024
_ONES_OWN = IPv6Network("fc00::/7")
_HOST_BITS = 64


def host_of(peer: str) -> str:
    """Return the host of a peer as gRPC writes it, without its port; never to be logged.

    A public IPv6 host has a /64 to itself (RFC 6177 2, RIPE-690 4.2), so that is taken for one
    host; in unique local networks (RFC 4193), where pods have one address each, the address is.
    An IPv4 address in an IPv6 one is the IPv4 host. All callers of a Unix socket are one.

    Args:
        peer: Such as "ipv4:10.0.0.7:50612", "ipv6:%5B::1%5D:50612" or "unix:".
    """
    kind, _, place = peer.partition(":")
    address = place.rpartition(":")[0]
    if kind == "ipv4":
        return address
    return _ipv6_host(unquote(address).strip("[]")) if kind == "ipv6" else kind


@lru_cache(maxsize=REMEMBERED)
def _ipv6_host(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address.is_loopback or address.is_link_local or address in _ONES_OWN:
        return text
    return f"{IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)}/{_HOST_BITS}"
