"""Checks of where a request may go. What is not understood is refused: it may be a restriction."""

import re
from collections.abc import Container, Iterator

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.rpc.wire_scan import TOO_OLD

PATH = "routing_policy"
MAX_MODEL_BYTES = 256
KNOWN_MODES = frozenset(llm_pb2.PrivacyMode.values())
MODE_NAMES = "PRIVACY_MODE_LOCAL_ONLY or PRIVACY_MODE_CLOUD_ALLOWED"
_PROVIDER = re.compile(r"[a-z0-9_-]{1,64}")


def check_routing(
    policy: llm_pb2.RoutingPolicy, unknown_inside: Container[str]
) -> Iterator[Violation]:
    """Yield what is wrong with a policy, in the order of the fields.

    Args:
        policy: Looked at.
        unknown_inside: Paths of the messages in which something is that we do not know.
    """
    if policy.privacy_mode not in KNOWN_MODES:
        yield Violation(f"{PATH}.privacy_mode", Why.UNKNOWN, f"use {MODE_NAMES}")
    for index, target in enumerate(policy.targets):
        path = f"{PATH}.targets[{index}]"
        yield from _check_target(path, target)
        if path in unknown_inside:
            yield Violation(path, Why.UNKNOWN, TOO_OLD)
    if PATH in unknown_inside:
        yield Violation(PATH, Why.UNKNOWN, TOO_OLD)


def _check_target(path: str, target: llm_pb2.RouteTarget) -> Iterator[Violation]:
    if target.provider and not _PROVIDER.fullmatch(target.provider):
        yield Violation(f"{path}.provider", Why.MALFORMED, "use 1 to 64 of a-z, 0-9, _ and -")
    if len(target.model.encode()) > MAX_MODEL_BYTES:
        yield Violation(f"{path}.model", Why.TOO_LONG, f"use at most {MAX_MODEL_BYTES} bytes")
