"""Which addresses belong to the operator's network. A local provider connects to no other."""

import ipaddress
from collections.abc import Sequence

_HOME = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    )
)
# Metadata services of clouds answer there, and hand out credentials.
_NEVER = tuple(ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fd00:ec2::254/128"))


class Networks:
    """Loopback, the private ranges (RFC 1918, RFC 4193), and what the operator adds."""

    def __init__(self, added: Sequence[str] = ()) -> None:
        """Count `added`, in the form "100.64.0.0/10", as the operator's own too.

        Raises:
            ValueError: One of them is no network.
        """
        self._allowed = (*_HOME, *(ipaddress.ip_network(text) for text in added))

    def holds(self, address: str) -> bool:
        """Return whether an IP address, as it is dialled, lies inside."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._allowed) and not any(
            ip in network for network in _NEVER
        )
