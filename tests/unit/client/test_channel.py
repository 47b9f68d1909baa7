import json

import pytest

from llmsvc_client.channel import _options, check_address

CHAT = [
    {"service": "llmsvc.v1.LLMService", "method": "Chat"},
    {"service": "llmsvc.v1.LLMService", "method": "ChatStream"},
]


@pytest.mark.parametrize(
    "address",
    [
        "localhost:50051",
        "127.0.0.1:1",
        "[::1]:65535",
        "[fe80::1%eth0]:50051",
        "llmsvc.default.svc.cluster.local:50051",
        "my_service:50051",
        "dns:///llmsvc:50051",
        "unix:/run/llmsvc.sock",
        "unix:///run/llmsvc.sock",
    ],
)
def test_takes_addresses(address: str) -> None:
    assert address == check_address(address)


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("", "write host:port, such as 'localhost:50051'"),
        ("localhost", "write host:port"),
        ("localhost:", "write host:port"),
        (":50051", "write host:port"),
        ("localhost:http", "write host:port"),
        ("localhost:50051 ", "write host:port"),
        ("a b:50051", "write host:port"),
        ("::1:50051", "write host:port"),
        ("localhost:50051/path", "write host:port"),
        ("localhost:50051\n", "write host:port"),
        ("unix:/a\nb", "write host:port"),
        ("localhost:0", "a port is a number from 1 to 65535"),
        ("localhost:65536", "a port is a number from 1 to 65535"),
        ("http://localhost:50051", "write it without the scheme, as 'localhost:50051'"),
        ("https://localhost:50051/", "write it without the scheme, as 'localhost:50051'"),
        ("grpc://localhost:50051", "write it without the scheme, as 'localhost:50051'"),
    ],
)
def test_says_what_to_write_instead(address: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        check_address(address)

    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_policy_is_the_contracts() -> None:
    options = dict(_options(balance=False))

    config = json.loads(str(options.pop("grpc.service_config")))
    assert str(options.pop("grpc.primary_user_agent")).startswith("llmsvc-client/")
    assert {
        "grpc.max_send_message_length": 16 * 2**20,
        "grpc.max_receive_message_length": 16 * 2**20,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 10_000,
        "grpc.http2.ping_timeout_ms": 10_000,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.keepalive_permit_without_calls": 0,
        "grpc.max_reconnect_backoff_ms": 5_000,
        "grpc.enable_http_proxy": 0,
        "grpc.service_config_disable_resolution": 1,
    } == options
    assert {
        "methodConfig": [
            {
                "name": CHAT,
                "retryPolicy": {
                    "maxAttempts": 2,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
    } == config


def test_balancing_adds_to_the_policy() -> None:
    plain = json.loads(str(dict(_options(balance=False))["grpc.service_config"]))
    balanced = json.loads(str(dict(_options(balance=True))["grpc.service_config"]))

    assert (
        plain
        | {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": "readiness"},
            "connectionScaling": {"maxConnectionsPerSubchannel": 4},
        }
        == balanced
    )
