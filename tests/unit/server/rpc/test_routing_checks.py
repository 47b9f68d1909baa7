import tracemalloc

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation, ViolationReason
from tests.unit.server.rpc.refusals import fields_refused, message, told

POLICY, TARGET = llm_pb2.RoutingPolicy, llm_pb2.RouteTarget
TOO_OLD = "this server is too old for it; leave it out"
MODES = "use PRIVACY_MODE_LOCAL_ONLY or PRIVACY_MODE_CLOUD_ALLOWED"
PROVIDER = "use 1 to 64 of a-z, 0-9, _ and -"


def routed(policy: llm_pb2.RoutingPolicy) -> llm_pb2.ChatRequest:
    return llm_pb2.ChatRequest(messages=[message()], routing_policy=policy)


def raw(policy: bytes, target: bytes = b"") -> llm_pb2.ChatRequest:
    """Return a request whose policy, and the second of its targets, came as these bytes."""
    whole = POLICY.FromString(policy)
    if target:
        whole.targets.extend([TARGET(model="a"), TARGET.FromString(target)])
    return routed(whole)


@pytest.mark.parametrize(
    "policy",
    [
        POLICY(),
        POLICY(privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY),
        POLICY(privacy_mode=llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED, fallback_disabled=True),
        POLICY(targets=[TARGET()] * 8),
        POLICY(targets=[TARGET(provider="a-z_09", model="m")]),
        POLICY(targets=[TARGET(provider="p" * 64, model="m" * 256)]),
    ],
)
def test_what_keeps_the_contract_is_accepted(policy: llm_pb2.RoutingPolicy) -> None:
    assert [] == told(routed(policy))


@pytest.mark.parametrize(
    ("request_", "field", "reason", "remedy"),
    [
        (raw(b"\x08\x03"), "privacy_mode", "UNKNOWN", MODES),
        (
            raw(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "privacy_mode",
            "UNKNOWN",
            MODES,
        ),
        (routed(POLICY(targets=[TARGET()] * 9)), "targets", "TOO_MANY", "send at most 8"),
        (
            routed(POLICY(targets=[TARGET(provider="p" * 65)])),
            "targets[0].provider",
            "MALFORMED",
            PROVIDER,
        ),
        (
            routed(POLICY(targets=[TARGET(), TARGET(provider="Ollama")])),
            "targets[1].provider",
            "MALFORMED",
            PROVIDER,
        ),
        (
            routed(POLICY(targets=[TARGET(provider="ollama\n")])),
            "targets[0].provider",
            "MALFORMED",
            PROVIDER,
        ),
        (
            routed(POLICY(targets=[TARGET(model="é" * 128 + "m")])),
            "targets[0].model",
            "TOO_LONG",
            "use at most 256 bytes",
        ),
        (raw(b"", b"\x18\x01"), "targets[1]", "UNKNOWN", TOO_OLD),
        (raw(b"", b"\x12\x01m\x1a\x00"), "targets[1]", "UNKNOWN", TOO_OLD),
    ],
)
def test_what_breaks_it_is_named_with_its_remedy(
    request_: llm_pb2.ChatRequest, field: str, reason: str, remedy: str
) -> None:
    expected = [Violation(f"routing_policy.{field}", ViolationReason(reason), remedy)]

    assert expected == told(request_)


@pytest.mark.parametrize("unknown", [b"\x20\x05", b"\x22\x00", b"\x25abcd", b"\x9a\x06\x01x"])
def test_a_restriction_of_a_later_version_is_refused_whatever_its_kind(unknown: bytes) -> None:
    expected = [Violation("routing_policy", ViolationReason.UNKNOWN, TOO_OLD)]

    assert expected == told(raw(unknown))
    assert expected == told(raw(b"\x08\x01\x18\x01" + unknown + b"\x12\x00"))


def test_all_violations_are_told_at_once_in_the_order_of_the_fields() -> None:
    request = raw(b"\x08\x09\x20\x01", b"\x0a\x01?\x18\x01")
    expected = ["privacy_mode", "targets[1].provider", "targets[1]"]

    assert [*(f"routing_policy.{one}" for one in expected), "routing_policy"] == fields_refused(
        request
    )


def test_no_violation_quotes_what_was_sent() -> None:
    policy = POLICY(targets=[TARGET(provider="SECRET", model="secret" * 50)])
    words = " ".join(f"{one.field} {one.description}" for one in told(routed(policy)))

    assert "secret" not in words.lower()


@pytest.mark.parametrize("where", ["policy", "target", "targets"])
def test_hundreds_of_thousands_of_unknown_fields_cost_no_memory(where: str) -> None:
    many = b"\x20\x01" * 400_000
    request = {"policy": raw(many), "target": raw(b"", many), "targets": raw(b"\x12\x00" * 400_000)}
    tracemalloc.start()
    try:
        _ = told(request[where])
        _, max_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert max_bytes < 3 * request[where].ByteSize()
