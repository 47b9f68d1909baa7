"""Channel arguments of the server, each with its unit and its reason."""

from llmsvc_server.rpc.door.interface import Options

MAX_CONNECTIONS = 1_000
"""Of each address that is listened on."""

MAX_HEALTH_CONNECTIONS = 64

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""What clients are told to take; config/server.py keeps a text below half of it."""

_IDENTITY = 1 << 0
_EVERY_ENCODING = _IDENTITY | 1 << 1 | 1 << 2  # deflate and gzip
"""Bits of `grpc_compression_algorithm`."""


def server_options(
    *, max_message_bytes: int, max_call_s: float, compressed_requests: bool = False
) -> Options:
    """Return the server's channel arguments.

    Args:
        max_message_bytes: Largest request, unpacked.
        max_call_s: Longest time that any call gets.
        compressed_requests: Whether they are taken; else the core answers UNIMPLEMENTED before it
            unpacks anything.
    """
    return (
        # A second server on the port must fail to bind, not share it in silence.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
        (
            "grpc.compression_enabled_algorithms_bitset",
            _EVERY_ENCODING if compressed_requests else _IDENTITY,
        ),
        # What nobody has asked for yet gathers in the core, up to the window of its stream. Probes
        # of the network would let the window grow; a request that is read gets all it needs.
        ("grpc.http2.bdp_probe", 0),
        # Calls above it wait in the client, or on another connection where it scales them. 100 is
        # also what clients take for the limit until they are told (RFC 9113, 6.5.2).
        ("grpc.max_concurrent_streams", 100),
        # gRPC's core counts calls that are over until Python has let go of them, and refuses bare
        # what comes above the limit. So many more is room for those; it also holds floods of calls
        # that are begun and reset at once (docs/facts/hot-path.md 9).
        ("grpc.http2.max_deallocating_streams", 400),
        # The same over all connections: calls that Python has not looked at yet. Above the first
        # figure a share of them is cancelled bare, above the second each.
        ("grpc.server.max_pending_requests", 5_000),
        ("grpc.server.max_pending_requests_hard_limit", 10_000),
        # A long prefill is silent; without pings a middlebox takes the connection for dead.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # The limit above leaves pings their own 60 s: without this one a dead peer is noticed
        # only then (measured on a client: 60 s without it, 1 s with 1 s).
        ("grpc.http2.ping_timeout_ms", 10_000),
        # Many clients ping every 10 s, some of them without a call: by default gRPC's core calls the
        # first abuse below 300 s, the second below two hours. Half of it leaves room for late ones.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # New servers get their share of calls only if old connections end at some time; no call
        # is cut for that.
        ("grpc.max_connection_age_ms", 30 * 60_000),
        ("grpc.max_connection_age_grace_ms", round((max_call_s + 60) * 1000)),
        ("grpc.max_connection_idle_ms", 15 * 60_000),
        ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
        # Each of them is counted from the start: until the client's SETTINGS have come, which it
        # sends unasked, and until it has acknowledged ours (by default 120 s and 60 s).
        ("grpc.server_handshake_timeout_ms", 5_000),
        ("grpc.http2.settings_timeout", 10_000),
    )


def health_options() -> Options:
    """Return the channel arguments of a listener for probes alone.

    They connect anew each time and ask once, so that nobody needs to stay for long.
    """
    return (
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", 4_096),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_concurrent_streams", 16),
        ("grpc.max_allowed_incoming_connections", MAX_HEALTH_CONNECTIONS),
        # From the start until the client's SETTINGS have come, and until it acknowledged ours.
        ("grpc.server_handshake_timeout_ms", 2_000),
        ("grpc.http2.settings_timeout", 2_000),
        ("grpc.max_connection_idle_ms", 10_000),
        ("grpc.max_connection_age_ms", 60_000),
        ("grpc.max_connection_age_grace_ms", 10_000),
    )
