"""Which addresses lie in the operator's network, as far as settings can tell.

The connector checks every address that it dials; this finds the plain mistakes before any start.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from llmsvc_server.config.section import Expected, FieldError, blank_is_empty, value_error
from llmsvc_server.providers.http.networks import (
    Networks,
    as_dialled,
    beyond_home,
    hands_out_credentials,
    mapped_ipv4,
)

_WORDS = "a range of addresses such as 100.64.0.0/10"
_MAX_IPV4 = 2**26
_MAX_IPV6 = 2**112
"""Addresses that may count as one operator's own: four blocks of /8, a 64th of all; a /16.

Hardly anybody has been given as many, and no list that means the internet is as short.
"""


def _check_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise value_error("is no range of addresses", f"write {_WORDS}") from None
    if "/" in text and str(network) != str(ipaddress.ip_interface(text)):
        raise value_error("is an address inside of a range", f"write {network}")
    if meant := mapped_ipv4(network):
        raise value_error("is IPv4 in the form of IPv6, which is dialled as IPv4", f"write {meant}")
    if hands_out_credentials(network):
        what = "holds addresses at which clouds hand out credentials"
        raise value_error(what, "remove it: no local provider is there")
    return str(network)


def _check_together(texts: tuple[str, ...]) -> tuple[str, ...]:
    ipv4, ipv6 = beyond_home(texts)
    if ipv4 > _MAX_IPV4 or ipv6 > _MAX_IPV6:
        what = "hold more of the internet together than an operator's own networks do"
        remedy = "name those in which the servers stand, at most four times /8 and one /16 of IPv6"
        raise value_error(what, remedy)
    return texts


LocalNetworks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...],
    BeforeValidator(blank_is_empty),
    Field(
        max_length=64,
        description="Networks that count as the operator's own besides loopback and the private"
        " ranges (RFC 1918, RFC 4193), together no more than four times /8 of IPv4 and one /16 of"
        " IPv6. A local provider connects to no other address, and never to one at which a cloud"
        " hands out credentials.",
        examples=[["100.64.0.0/10"]],
    ),
    AfterValidator(_check_together),
    Expected("a list of ranges of addresses such as [100.64.0.0/10]"),
]


def find_foreign(
    urls: Mapping[tuple[str, ...], str], networks: Sequence[str]
) -> Iterator[FieldError]:
    """Yield what is wrong with addresses of a local provider, each with its place.

    A host that is a name is not looked up: the connector does that.

    Args:
        urls: Addresses by their places in the entry.
        networks: Its `local_networks`.
    """
    allowed = Networks(networks)
    for place, url in urls.items():
        ip = as_dialled(urlsplit(url).hostname or "")
        if ip is None or allowed.holds(str(ip)):
            continue
        if hands_out_credentials(ipaddress.ip_network(ip)):
            what = "is an address at which clouds hand out credentials"
            yield place, value_error(what, "write the provider's own address")
        else:
            what = "lies outside of the operator's network"
            yield (
                place,
                value_error(what, f"if {ip} is the operator's own, add it to local_networks"),
            )
