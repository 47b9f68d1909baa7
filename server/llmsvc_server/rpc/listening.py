"""Where a server listens: on every address that a setting means, or on none.

gRPC's core resolves a name too, and starts on whatever of it is free, without a word.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

NOT_HERE = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
WILDCARDS = frozenset(("0.0.0.0", "::"))  # noqa: S104  compared, not bound
LOOPBACK = ("127.0.0.1", "::1")
REDRAWS = 4
"""How often a port that nobody asked for is drawn anew, until all addresses have it free."""

TAKEN = "another process has this address; stop it"
WHY = {
    errno.EADDRINUSE: TAKEN,
    errno.EACCES: "this user may not have this port; take one from 1024 on",
}


class CannotBind(Exception):
    """A setting's addresses can't all be listened on.

    Attributes:
        listen: What the setting says.
        address: The one that failed, "host:port".
        remedy: What is in the way, and what to do.
    """

    def __init__(self, listen: str, address: str, remedy: str) -> None:
        """Keep them all."""
        super().__init__(address)
        self.listen = listen
        self.address = address
        self.remedy = remedy


class NotFree(Exception):
    """An address can't be had; `why` says for what reason, and a remedy."""

    def __init__(self, address: str, why: str) -> None:
        """Keep the address, "host:port"."""
        super().__init__(address)
        self.address = address
        self.why = why


@dataclass(frozen=True, slots=True)
class ListenAddresses:
    """Where a server listens.

    Attributes:
        addresses: Each "host:port", all with one port, at least one.
        absent: What was meant too, and this machine does not have.
    """

    addresses: tuple[str, ...]
    absent: tuple[str, ...] = ()

    @property
    def port(self) -> int:
        """The port of all of them."""
        return int(self.addresses[0].rpartition(":")[2])


def resolve_listen(address: str) -> ListenAddresses:
    """Return all that `address` means, each free just now.

    0.0.0.0 and [::] both mean every address of the machine, as they do to gRPC's core, and
    localhost both loopback addresses (RFC 6761, 6.3), as it does to gRPC's clients.

    Args:
        address: "host:port", an IPv6 host in brackets. Port 0 draws a free one.

    Raises:
        NotFree: One is taken, none is of this machine, or nobody knows the name.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise NotFree(address, "it is not HOST:PORT; correct it")
    try:
        return find_free(_resolve(host.strip("[]")), int(port))
    except (socket.gaierror, UnicodeError):
        raise NotFree(address, "nobody knows this host; correct it") from None


def _resolve(host: str) -> Sequence[str]:
    """Return the addresses that a host is.

    Raises:
        socket.gaierror: Nobody knows the name.
        UnicodeError: It can't be asked for.
    """
    if host in WILDCARDS:
        return ("::" if socket.has_dualstack_ipv6() else "0.0.0.0",)  # noqa: S104  asked for
    if host == "localhost":
        return LOOPBACK
    known = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in known))


def find_free(hosts: Sequence[str], port: int) -> ListenAddresses:
    """Return those of `hosts`, at least one, that this machine has, all free at one port.

    Raises:
        NotFree: One is taken, or this machine has none.
    """
    for _ in range(REDRAWS if port == 0 else 0):
        with suppress(NotFree):
            return _hold_all(hosts, 0)
    return _hold_all(hosts, port)


def _hold_all(hosts: Sequence[str], port: int) -> ListenAddresses:
    found, absent = [], []
    with ExitStack() as stack:  # each is held until all are had
        for host in hosts:
            try:
                port = stack.enter_context(_hold(host, port))
            except OSError as error:
                if error.errno not in NOT_HERE:
                    why = WHY.get(error.errno or 0, "the system refuses it; take another one")
                    raise NotFree(format_address(host, port), why) from None
                absent.append(format_address(host, port))
            else:
                found.append(format_address(host, port))
    if not found:
        raise NotFree(absent[0], "this machine does not have this address; correct it")
    return ListenAddresses(tuple(found), tuple(absent))


@contextmanager
def _hold(host: str, port: int) -> Iterator[int]:
    """Hold an address in the way in which core will take it; yield its port.

    Raises:
        OSError: It can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        held.bind((host, port))
        yield held.getsockname()[1]


def format_address(host: str, port: int) -> str:
    """Return "host:port", an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
