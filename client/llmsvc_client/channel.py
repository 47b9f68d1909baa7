"""All transport policy on one page: addresses, limits, keepalive, retries, balancing."""

import json
import re
from typing import Final

import grpc.aio

from llmsvc_client.version import version

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Most that a server sends. It takes what its operator lets it, 5 MiB unless that is changed."""

READINESS: Final = "readiness"

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+(%\w+)?\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_PORT = 65_535

# One call more, and only where nothing was delivered: the server's pushback of -1 stops it
# whenever an upstream was called. gRFC A6: at most 5 attempts. CANCELLED is what gRPC's core makes of
# calls that a server has not looked at when it stops (grpc/grpc#41785); our own cancel ends a call
# for good.
_RETRY: Final = {
    "maxAttempts": 2,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
_RETRIED: Final = [
    {"service": "llmsvc.v1.LLMService", "method": "Chat"},
    {"service": "llmsvc.v1.LLMService", "method": "ChatStream"},
]
_MAX_CONNECTIONS_PER_SERVER: Final = 4


def open_channel(address: str, *, balance: bool) -> grpc.aio.Channel:
    """Return a plaintext channel that belongs to the running event loop.

    Args:
        address: Where the server is, as `check_address` takes it.
        balance: Spread the calls over all addresses of the name, ask none that says it is not
            ready, and open more connections to one when its streams per connection are used up.
    """
    # One reference that nobody gives back: the last one given back stops gRPC's poller, which can
    # wait for ever (grpc/grpc#22365).
    grpc.aio.init_grpc_aio()
    return grpc.aio.insecure_channel(address, options=_options(balance=balance))


def _options(*, balance: bool) -> list[tuple[str, int | str]]:
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A dead server is noticed within 40 s, also in the silence before the first token. The
        # second line alone does not do it: measured with grpcio 1.85.3, a ping is given 60 s
        # unless ping_timeout_ms says otherwise, and after two pings without data there is but one
        # a minute.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 0),
        # gRPC lets the pause between two connects grow to 120 s. Measured after an outage of a
        # minute: back 14 s after the server, 3 s with this.
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # Prompts in plain text must not leave through a web proxy named in the environment.
        ("grpc.enable_http_proxy", 0),
        ("grpc.primary_user_agent", f"llmsvc-client/{version()}"),
        ("grpc.service_config", json.dumps(_service_config(balance=balance))),
        ("grpc.service_config_disable_resolution", 1),
    ]


def _service_config(*, balance: bool) -> dict[str, object]:
    retries: dict[str, object] = {"methodConfig": [{"name": _RETRIED, "retryPolicy": _RETRY}]}
    if not balance:
        return retries
    return retries | {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": READINESS},
        "connectionScaling": {"maxConnectionsPerSubchannel": _MAX_CONNECTIONS_PER_SERVER},
    }


def check_address(address: str) -> str:
    """Return the address if it can be one.

    Args:
        address: `host:port`, `[::1]:port`, `dns:///host:port` or `unix:/path`.

    Raises:
        ValueError: It can't; the text says what to write instead.
    """
    if address.startswith("unix:/") and address.isprintable():
        return address
    if "://" in address and not address.startswith("dns:///"):
        rest = address.partition("://")[2].rstrip("/")
        raise ValueError(f"address {address!r}: write it without the scheme, as {rest!r}")
    found = _HOST_AND_PORT.fullmatch(address.removeprefix("dns:///"))
    if found is None:
        raise ValueError(f"address {address!r}: write host:port, such as 'localhost:50051'")
    if not 0 < int(found[3]) <= _MAX_PORT:
        raise ValueError(f"address {address!r}: a port is a number from 1 to {_MAX_PORT}")
    return address
