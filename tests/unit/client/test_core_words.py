import pytest

from llmsvc_client.core_words import explain_status
from llmsvc_client.errors import Code

CONNECTING = "failed to connect to all addresses; last error: "


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (f"{CONNECTING}UNKNOWN: ipv4:127.0.0.1:1: Connection refused", "connection refused"),
        ("errors resolving x:1: [Domain name not found]", "name can't be resolved"),
        (f"{CONNECTING}unix:/x error: No such file or directory", "no such socket"),
        (
            (
                f"{CONNECTING}INTERNAL: Failed parsing HTTP/2 (Expected SETTINGS frame as the first"
                " frame, got frame type 80) (Trying to connect an http1.x server (HTTP status 400))"
            ),
            "does not speak gRPC",
        ),
        ("Received http2 header with status: 502", "answered with HTTP 502"),
        ("invalid content-type: text/html", "not in gRPC"),
        ("Stream removed (Socket closed)", "connection was lost"),
        ("keepalive watchdog timeout", "connection was lost"),
        (f"{CONNECTING}UNKNOWN: Connection timed out", "network does not lead there"),
        ("Stream refused (REFUSED_STREAM)", "no further call"),
        (
            "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))",
            "other side cancelled",
        ),
        ("CLIENT: Received message larger than max (17 vs. 16)", "larger than 16 MiB"),
        (
            "SERVER: Received message larger than max (6291473 vs. 5242880)",
            "request has 6291473 bytes, and the server takes at most 5242880",
        ),
        ("Method not found!", "no such call"),
        ("what a proxy says", "what a proxy says"),
        ("", "without an explanation"),
    ],
)
def test_says_what_a_text_of_grpc_core_means(text: str, meaning: str) -> None:
    assert meaning in explain_status(Code.UNAVAILABLE, text, None)


def test_a_deadline_says_how_long_it_was() -> None:
    assert "no whole answer within 0.01 s" in explain_status(
        Code.DEADLINE_EXCEEDED, "Deadline Exceeded", 0.01
    )
    assert "time for the call is over" in explain_status(
        Code.DEADLINE_EXCEEDED, "Deadline exceeded", None
    )
