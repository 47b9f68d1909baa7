"""Full listeners are told of, once, with who fills them."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from llmsvc_server.app.tasks import Background
from llmsvc_server.reports import ConnectionsState
from llmsvc_server.rpc.connections import Connections, list_connections, watch
from llmsvc_server.rpc.listening import ListenAddresses
from tests.fakes.eventually import eventually
from tests.fakes.listening_reporter import ListeningReporter

ONE = ListenAddresses(("127.0.0.1:7",))
TWO = ListenAddresses(("127.0.0.1:7", "[::1]:7"))


@contextlib.contextmanager
def connected(count: int, *, host: str = "127.0.0.1") -> Iterator[int]:
    """Connect with ourselves; yield the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server((host, 0), family=family, dualstack_ipv6=":" in host)
        )
        port = int(listener.getsockname()[1])
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stack.enter_context(listener.accept()[0])
        yield port


def test_connections_are_found_among_what_the_process_has_open() -> None:
    with connected(3) as port:
        found = list_connections(1)

    assert 3 == list(found).count(("127.0.0.1", port, "127.0.0.1"))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv4_on_a_socket_for_both_is_ipv4() -> None:
    with connected(1, host="::") as port:
        assert ("127.0.0.1", port, "127.0.0.1") in list_connections(1)


def test_nobody_is_looked_at_where_there_can_be_too_few() -> None:
    with connected(1):
        assert () == list_connections(1_000_000)


async def test_a_listener_that_fills_up_is_told_of_while_it_is_watched() -> None:
    reporter = ListeningReporter()
    with connected(3) as port:
        full = Connections(ListenAddresses((f"127.0.0.1:{port}",)), 3, reporter)
        async with Background() as background:
            _ = background.start(watch([full], every_s=0.01))
            await eventually(lambda: bool(reporter.changes))

    assert [(f"127.0.0.1:{port}", ConnectionsState.FULL)] == told(reporter)


def told(reporter: ListeningReporter) -> list[tuple[str, ConnectionsState]]:
    assert {change.subject for change in reporter.changes} <= {"connections"}
    return [(change.name, ConnectionsState(change.state)) for change in reporter.changes]


def test_full_and_free_are_told_once_each() -> None:
    reporter = ListeningReporter()
    watched = Connections(ONE, 10, reporter)
    for count in (9, 10, 10, 9, 10, 8, 0):
        watched.check([("127.0.0.1", 7, "192.0.2.1")] * count)

    assert [("127.0.0.1:7", ConnectionsState.FULL), ("127.0.0.1:7", ConnectionsState.FREE)] == (
        told(reporter)
    )


def test_who_has_most_is_named() -> None:
    reporter = ListeningReporter()
    peers = ["192.0.2.1"] * 7 + ["192.0.2.2"] * 3
    Connections(ONE, 10, reporter).check([("127.0.0.1", 7, peer) for peer in peers])

    (change,) = reporter.changes
    assert "10 connections, and no more are taken; 7 are of 192.0.2.1" == change.detail


def test_each_address_has_a_limit_of_its_own() -> None:
    reporter = ListeningReporter()
    watched = Connections(TWO, 10, reporter)
    watched.check([("127.0.0.1", 7, "127.0.0.1")] * 6 + [("::1", 7, "::1")] * 6)
    watched.check([("127.0.0.1", 7, "127.0.0.1")] * 6 + [("::1", 7, "::1")] * 10)

    assert [("[::1]:7", ConnectionsState.FULL)] == told(reporter)


def test_another_port_does_not_count() -> None:
    reporter = ListeningReporter()
    Connections(ONE, 10, reporter).check([("127.0.0.1", 8, "127.0.0.1")] * 20)

    assert [] == reporter.changes
