from typing import cast

import grpc
import pytest

from llmsvc_server.config.server import MAX_WHOLE_BYTES
from llmsvc_server.rpc.callinfo import TimeLimits
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.listening import CannotBind
from llmsvc_server.rpc.options import MAX_ANSWER_BYTES, server_options
from llmsvc_server.rpc.server import bind, method_table
from llmsvc_server.rpc.unsent import Unsent
from tests.fakes.assembled import everyday_held
from tests.fakes.listening_reporter import ListeningReporter


def a_server() -> grpc.aio.Server:
    return grpc.aio.server(options=server_options(max_message_bytes=1_000_000, max_call_s=1800))


class LateToBind:
    """A server whose address somebody takes between our look and its own."""

    def add_insecure_port(self, address: str) -> int:
        raise RuntimeError(address)


async def test_a_free_port_is_found_and_a_taken_one_is_refused() -> None:
    first, second = a_server(), a_server()
    places = bind(first, "127.0.0.1:0")
    await first.start()
    with pytest.raises(CannotBind) as raised:
        bind(second, f"127.0.0.1:{places.port}")
    for server in (first, second):
        await server.stop(None)

    assert places.port > 0
    assert f"127.0.0.1:{places.port}" == str(raised.value)
    assert raised.value.__cause__ is None


def test_an_address_that_is_taken_at_the_last_moment_is_refused() -> None:
    with pytest.raises(CannotBind, match=r"127\.0\.0\.1:"):
        bind(cast("grpc.aio.Server", LateToBind()), "127.0.0.1:0")


async def test_both_calls_are_limited_each_by_its_own_default() -> None:
    expected = {
        "/llmsvc.v1.LLMService/Chat": TimeLimits(default_s=1, cap_s=3),
        "/llmsvc.v1.LLMService/ChatStream": TimeLimits(default_s=2, cap_s=3),
    }

    table = method_table(
        chat_s=1,
        stream_s=2,
        cap_s=3,
        registry=InFlight(),
        reporter=ListeningReporter(),
        gate=Unsent(everyday_held(), timeout_s=1.0),
    )

    assert expected == {name: rules.limits for name, rules in table.items()}


def test_the_limit_of_a_message_is_one_of_requests() -> None:
    options = dict(server_options(max_message_bytes=12_345, max_call_s=1800))

    assert 12_345 == options["grpc.max_receive_message_length"]
    assert MAX_ANSWER_BYTES == options["grpc.max_send_message_length"]
    assert MAX_WHOLE_BYTES <= MAX_ANSWER_BYTES // 2


def test_no_option_is_given_twice_and_ports_are_not_shared() -> None:
    options = server_options(max_message_bytes=1, max_call_s=1800)

    assert len(options) == len(dict(options))
    assert 0 == dict(options)["grpc.so_reuseport"]


def test_a_connections_grace_is_longer_than_the_longest_call() -> None:
    options = dict(server_options(max_message_bytes=1, max_call_s=86_400))

    assert options["grpc.max_connection_age_grace_ms"] > 86_400_000
