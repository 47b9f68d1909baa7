"""Which addresses belong to the operator's network. A local provider connects to no other."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_OneKind = TypeVar("_OneKind", ipaddress.IPv4Network, ipaddress.IPv6Network)

_HOME_IPV4 = tuple(
    map(ipaddress.IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
)
_HOME_IPV6 = tuple(map(ipaddress.IPv6Network, ("::1", "fc00::/7")))
_LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")

# There the machines of a cloud are told about themselves, credentials included. Sources: the
# vendors' documentation, and the data sources of canonical/cloud-init.
_METADATA: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # nearly everywhere
            "168.63.129.16",  # Azure, its wire server
            "100.100.100.200",  # Alibaba, inside of 100.64.0.0/10
            "192.0.0.192",  # Oracle
            "fd00:ec2::/32",  # AWS: ::254 metadata, ::23 roles of pods, others for time and names
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fd00:42::42",  # Scaleway
            "fd00:100::100:200",  # Alibaba
            "fd00:a9fe:a9fe::1",  # Akamai
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_CARRIERS = (  # of an IPv4 address; how many bits come behind it
    (ipaddress.IPv6Network("::/96"), 0),  # compatible, RFC 4291
    (_MAPPED, 0),  # RFC 4291
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # translated, RFC 2765
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of one's own, RFC 8215
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
_IPV4 = ipaddress.IPv4Network("0.0.0.0/0")


class Networks:
    """Loopback, the private ranges (RFC 1918, RFC 4193), and what the operator adds."""

    def __init__(self, added: Sequence[str] = ()) -> None:
        """Count `added`, in the form "100.64.0.0/10", as the operator's own too.

        Raises:
            ValueError: One of them is no network.
        """
        self._allowed = (*_HOME_IPV4, *_HOME_IPV6, *map(ipaddress.ip_network, added))

    def holds(self, address: str) -> bool:
        """Return whether an IP address, as it is dialled, lies inside."""
        ip = as_dialled(address)
        if ip is None or hands_out_credentials(ipaddress.ip_network(ip)):
            return False
        return any(ip in network for network in self._allowed)


def as_dialled(host: str) -> Address | None:
    """Return the address that a host is: IPv4 where IPv6 only wraps it; None for a name."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def hands_out_credentials(network: Network) -> bool:
    """Return whether a network lies among the addresses of clouds' metadata services.

    However the way there is written: an IPv6 address may carry one of IPv4 to a translator.
    """
    return any(
        _within(spelt, never) for spelt in (network, *_find_carried(network)) for never in _METADATA
    )


def mapped_ipv4(network: Network) -> Network | None:
    """Return what a network in the form ::ffff:a.b.c.d stands for; None for any other."""
    return next(_find_carried(network), None) if _within(network, _MAPPED) else None


def beyond_home(added: Iterable[str]) -> tuple[int, int]:
    """Return how many addresses networks hold besides private and link-local ones.

    Args:
        added: Networks in the form "100.64.0.0/10". What several hold counts once.

    Returns:
        Addresses of IPv4, those included that an address of IPv6 carries; addresses of IPv6.
    """
    named = [ipaddress.ip_network(text) for text in added]
    reached = [*named, *(ipv4 for network in named for ipv4 in _find_carried(network))]
    ipv4 = [one for one in reached if isinstance(one, ipaddress.IPv4Network)]
    ipv6 = [one for one in reached if isinstance(one, ipaddress.IPv6Network)]
    return _grown(_HOME_IPV4, ipv4), _grown((*_HOME_IPV6, _LINK_LOCAL), ipv6)


def _grown(known: Iterable[_OneKind], added: Iterable[_OneKind]) -> int:
    """Return how many addresses come to those that are known."""
    return _size([*known, *added]) - _size(known)


def _size(networks: Iterable[_OneKind]) -> int:
    return sum(one.num_addresses for one in ipaddress.collapse_addresses(networks))


def _within(inner: Network, outer: Network) -> bool:
    return inner.network_address in outer and inner.broadcast_address in outer


def _find_carried(network: Network) -> Iterator[ipaddress.IPv4Network]:
    """Yield what of IPv4 is reached through addresses of IPv6."""
    if isinstance(network, ipaddress.IPv4Network):
        return
    for carrier, behind in _CARRIERS:
        if _within(carrier, network):
            yield _IPV4
        elif _within(network, carrier):
            first = int(network.network_address) >> behind & 0xFFFF_FFFF
            length = min(max(network.prefixlen - (96 - behind), 0), 32)
            yield ipaddress.IPv4Network((first, length), strict=False)
