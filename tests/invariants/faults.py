"""Every fault before the first content that an upstream can make, by protocol and row.

Rows: docs/failover.md 2.2. One entry at least for each row that an adapter knows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.invariants.turns import NONSENSE
from tests.scenarios.protocols import Protocol
from tests.scenarios.steps import Begin, Cut, End, Frame, Raw, Refuse, Reset, Silence, Turn


@dataclass(frozen=True, slots=True)
class Expected:
    """One fault: the row that it must be taken for, and what the upstream does."""

    row: str
    turn: Turn


def refused(row: str, status: int, error: object = None, **more: str) -> Expected:
    """Return a refusal with this `error` in its body; `more` are headers."""
    body = b"" if error is None else json.dumps({"error": error}).encode()
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return Expected(row, [Refuse(status, body, headers)])


def event(row: str, document: object) -> Expected:
    """Return an answer whose first event is this one."""
    data = json.dumps(document).encode()
    return Expected(row, [Raw(b"event: error\ndata: " + data + b"\n\n"), Cut()])


def line(row: str, document: object) -> Expected:
    """Return an answer whose first line is this one."""
    return Expected(row, [Raw(json.dumps(document).encode() + b"\n"), Cut()])


COMMON = (
    Expected("C03", [Reset()]),
    refused("C04", 307, location="http://192.0.2.1/"),
    Expected("C05", [Silence()]),
    Expected("C05", [Begin(), Silence()]),
    Expected("C07", [Raw(b"\n"), Cut()]),
    Expected("C07", [Begin(), End()]),
    Expected("C08", [NONSENSE, Cut()]),
    refused("", 418),
)
OLLAMA = (
    line("O01", {"message": {"content": "a"}, "remote_host": "https://example.org"}),
    refused("O02", 500, "error parsing tool call: raw='{'"),
    line("O02", {"something": 1}),
    line("O03", {"message": {"content": ""}, "done": True, "done_reason": "load"}),
    refused("O04", 404, "model not found"),
    refused("O04", 405),
    refused("O05", 403, "ollama cloud is disabled"),
    refused("O06", 401),
    refused("O06", 429),
    refused("O07", 503, "server busy.  maximum pending requests exceeded"),
    line("O07", {"error": "server busy.  maximum pending requests exceeded"}),
    refused("O08", 400, "the input length exceeds the context length"),
    refused("O09", 400, '"m" does not support thinking'),
    refused("O10", 400, "missing request body"),
    refused("O10", 413),
    refused("O10a", 503, {"code": 503, "message": "Loading model"}),
    refused("O10b", 500, "model runner has unexpectedly stopped"),
    refused("O11", 500, "unable to load model: /x"),
    line("O11", {"error": "unexpected EOF"}),
    refused("O12", 503, "some other words"),
    line("O12", {"error": "some other words"}),
)
OPENAI = (
    refused("P01", 429, {"code": "insufficient_quota"}),
    event("P01", {"error": {"type": "insufficient_quota"}}),
    refused("P02", 400, {"code": "context_length_exceeded"}),
    refused("P03", 400, {"code": "content_policy_violation"}),
    refused("P04", 404, {"code": "model_not_found"}),
    refused("P04", 405),
    refused("P05", 403, {"code": "unsupported_country_region_territory"}),
    refused("P06", 401),
    refused("P07", 400, {"code": "unsupported_parameter"}),
    refused("P08", 400, {"code": "tool_use_failed"}),
    refused("P09", 429),
    refused("P09", 498),
    event("P09", {"error": {"code": 429}}),
    refused("P11", 500),
    event("P11", {"error": {"type": "server_error"}}),
    refused("P12", 422),
    Expected("C07", [Begin(), Frame(), End()]),
)
AT_HOME = (refused("P10", 503, {"type": "unavailable_error", "code": 503}),)
"""For an OpenAI-compatible server in the operator's network."""

ANTHROPIC = (
    refused("A01", 402, {"type": "billing_error"}),
    refused("A02", 429, {"type": "rate_limit_error"}),
    event("A02", {"type": "error", "error": {"type": "rate_limit_error"}}),
    refused("A03", 529, {"type": "overloaded_error"}),
    event("A03", {"type": "error", "error": {"type": "overloaded_error"}}),
    refused("A04", 401, {"type": "authentication_error"}),
    refused("A05", 404, {"type": "not_found_error"}),
    refused("A05", 405),
    refused("A06", 413, {"type": "request_too_large"}),
    refused(
        "A08",
        400,
        {"type": "invalid_request_error", "message": "tools: Input should be a valid list"},
    ),
    event("A08", {"type": "error", "error": {"message": "tool_choice: forced use not supported"}}),
    refused("A07", 400, {"type": "invalid_request_error"}),
    event("A07", {"type": "error", "error": {"type": "invalid_request_error"}}),
)
FAULTS: Mapping[Protocol, Sequence[Expected]] = {
    Protocol.OLLAMA: (*COMMON, *OLLAMA),
    Protocol.OPENAI: (*COMMON, *OPENAI),
    Protocol.ANTHROPIC: (*COMMON, *ANTHROPIC),
}
