"""One test per row of docs/failover.md 2.2, with what servers of several makes say."""

import json

import pytest

from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.errors import ROWS, classify
from llmsvc_server.providers.openai.refusals import read_refusal

CANARY = "Xylophon-4711"
PAGE = b"<html><body>nginx</body></html>"
MODERATED = {"reasons": ["violence"], "flagged_input": CANARY}


def body(message: str = "no", **fields: object) -> bytes:
    """Return a refusal's usual body."""
    return json.dumps({"error": {"message": message, **fields}}).encode()


def verdict(
    status: int, refusal: bytes, *, is_local: bool = False, wait_s: float | None = None
) -> ProviderError:
    """Return what a refusal means."""
    return classify(read_refusal(status, refusal, retry_after_s=wait_s, is_local=is_local))


KEEPS = "The number of tokens to keep from the initial prompt is greater than the context length"

VLLM = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
EXTRA = "Extra inputs are not permitted"
LACKS = [
    (
        "tools",
        400,
        json.dumps({"object": "error", "message": VLLM, "code": 400}).encode(),
    ),
    ("tools", 400, body("1 validation error for Request\ntools\n  Extra inputs are not permitted")),
    ("tools", 500, body("tools param requires --jinja flag", code=500, type="server_error")),
    ("tools", 400, body("registry.ollama.ai/library/phi3:mini does not support tools")),
    ("tools", 400, body("`tool calling` is not supported with this model", code=None)),
    ("tools", 404, body("No endpoints found that support tool use.", code=404)),
    ("tools", 400, body("Function calling is not enabled for models/gemma-3", code=400)),
    ("tools", 400, body("'tools' is not supported with this model.", type="invalid_request_error")),
    (
        "tools",
        422,
        json.dumps({"detail": [{"loc": ["body", "tools"], "msg": EXTRA}]}).encode(),
    ),
    (
        "response_format",
        400,
        body("This response_format type is unavailable now", type="invalid_request_error"),
    ),
    (
        "response_format",
        400,
        body(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with it."
        ),
    ),
    ("response_format", 400, body("JSON mode is not enabled for models/gemma-3", code=400)),
    ("tool_choice", 400, body("x", code="unsupported_value", param="tool_choice")),
]
"""Refusals of what a server or its model has not, and the field that each is about."""

CASES = [
    ("C04", ErrorKind.MISCONFIGURED, 301, PAGE),
    ("C04", ErrorKind.MISCONFIGURED, 307, body(code="insufficient_quota")),
    ("P01", ErrorKind.QUOTA, 429, body(code="credit_balance_exhausted", type="insufficient_quota")),
    ("P01", ErrorKind.QUOTA, 429, body(code="organization_spend_limit_exceeded")),
    ("P01", ErrorKind.QUOTA, 429, body(code="project_spend_limit_exceeded")),
    ("P01", ErrorKind.QUOTA, 403, body(code="organization_usage_limit_exceeded")),
    ("P01", ErrorKind.QUOTA, 429, body(code="insufficient_quota")),
    ("P01", ErrorKind.QUOTA, 429, body(type="insufficient_quota", code=None)),
    ("P01", ErrorKind.QUOTA, 402, body(code=402)),
    ("P01", ErrorKind.QUOTA, 402, b""),
    ("P02", ErrorKind.CONTEXT, 400, body(code="context_length_exceeded", param="messages")),
    ("P02", ErrorKind.CONTEXT, 400, body(code=400, type="exceed_context_size_error")),
    ("P02", ErrorKind.CONTEXT, 413, b"Payload Too Large"),
    ("P02", ErrorKind.CONTEXT, 400, body("This model's MAXIMUM context length is 8 tokens.")),
    ("P02", ErrorKind.CONTEXT, 400, b'{"error":"maximum context length is 8 tokens"}'),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps({"error": KEEPS}).encode()),
    (
        "P02",
        ErrorKind.CONTEXT,
        422,
        json.dumps({"error": KEEPS, "error_type": "validation"}).encode(),
    ),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps({"object": "error", "message": KEEPS}).encode()),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps({"detail": KEEPS}).encode()),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps({"detail": {"error": KEEPS}}).encode()),
    (
        "P02",
        ErrorKind.CONTEXT,
        400,
        json.dumps({"error": "Bad Request", "message": KEEPS}).encode(),
    ),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps([{"error": {"message": KEEPS}}]).encode()),
    ("P02", ErrorKind.CONTEXT, 400, json.dumps(KEEPS).encode()),
    ("P02", ErrorKind.CONTEXT, 400, body("Provider returned error", metadata={"raw": KEEPS})),
    ("P02", ErrorKind.CONTEXT, 500, body("Context size has been exceeded.", type="server_error")),
    ("P02", ErrorKind.CONTEXT, 503, body(KEEPS, code="503")),
    ("P02", ErrorKind.CONTEXT, 413, body("Request too large for x", code="rate_limit_exceeded")),
    ("P02", ErrorKind.CONTEXT, 429, body("Request too large for x", code="rate_limit_exceeded")),
    ("P06", ErrorKind.CREDENTIAL, 401, body(KEEPS)),
    ("P09", ErrorKind.RATE_LIMIT, 429, body(KEEPS)),
    (
        "P01",
        ErrorKind.QUOTA,
        429,
        json.dumps({"error": "no", "code": "insufficient_quota"}).encode(),
    ),
    ("P03", ErrorKind.CONTENT, 400, body(code="content_policy_violation")),
    ("P03", ErrorKind.CONTENT, 400, body(code="content_filter", param="prompt")),
    (
        "P03",
        ErrorKind.CONTENT,
        400,
        body(code="new", innererror={"code": "ResponsibleAIPolicyViolation"}),
    ),
    ("P03", ErrorKind.CONTENT, 403, body(code=403, metadata=MODERATED)),
    ("P04", ErrorKind.MODEL_MISSING, 404, body(code="model_not_found")),
    ("P04", ErrorKind.MODEL_MISSING, 403, body(code="model_not_found")),
    ("P04", ErrorKind.MODEL_MISSING, 404, body(code="DeploymentNotFound")),
    ("P04", ErrorKind.MODEL_MISSING, 404, body(code=404, type="NotFoundError")),
    ("P04", ErrorKind.MODEL_MISSING, 404, b'{"object":"error","message":"no m","code":404}'),
    ("P04", ErrorKind.MISCONFIGURED, 404, PAGE),
    ("P04", ErrorKind.MISCONFIGURED, 404, b'{"detail":"Not Found"}'),
    ("P04", ErrorKind.MISCONFIGURED, 404, b'{"error":"Unexpected endpoint"}'),
    ("P04", ErrorKind.MISCONFIGURED, 405, b""),
    ("P05", ErrorKind.REGION, 403, body(code="unsupported_country_region_territory")),
    ("P05", ErrorKind.REGION, 403, body(code="data_residency_mismatch")),
    ("P06", ErrorKind.CREDENTIAL, 401, b""),
    ("P06", ErrorKind.CREDENTIAL, 403, PAGE),
    ("P06", ErrorKind.CREDENTIAL, 400, body(code="invalid_api_key")),
    ("P07", ErrorKind.CAPABILITY, 400, body(code="unsupported_parameter", param="max_tokens")),
    ("P07", ErrorKind.CAPABILITY, 400, body(code="unsupported_value", param="temperature")),
    ("P07", ErrorKind.CAPABILITY, 501, body(code=501, type="not_supported_error")),
    ("P07", ErrorKind.CAPABILITY, 400, body(type="not_supported_error")),
    ("P07", ErrorKind.CAPABILITY, 501, b""),
    *(("P07", ErrorKind.CAPABILITY, status, refusal) for _, status, refusal in LACKS),
    ("P08", ErrorKind.MODEL_OUTPUT, 400, body(code="tool_use_failed", failed_generation=CANARY)),
    ("P09", ErrorKind.RATE_LIMIT, 429, body(code="rate_limit_exceeded", type="requests")),
    ("P09", ErrorKind.RATE_LIMIT, 429, b""),
    ("P09", ErrorKind.SATURATED, 498, body()),
    ("P11", ErrorKind.TRANSIENT, 408, b""),
    ("P11", ErrorKind.TRANSIENT, 409, body()),
    ("P11", ErrorKind.TRANSIENT, 500, PAGE),
    ("P11", ErrorKind.TRANSIENT, 503, body(code="server_is_overloaded")),
    ("P11", ErrorKind.TRANSIENT, 529, b""),
    ("P11", ErrorKind.TRANSIENT, 400, body(type="server_error")),
    ("P11", ErrorKind.TRANSIENT, 400, body(type="service_unavailable_error")),
    ("P11", ErrorKind.TRANSIENT, 400, body(type="InternalServerError")),
    ("P12", ErrorKind.CALLER, 400, body(type="BadRequestError", code=400)),
    ("P12", ErrorKind.CALLER, 400, b"{"),
    (
        "P12",
        ErrorKind.CALLER,
        400,
        body("Invalid schema for response_format 'r': 'uniqueItems' is not permitted."),
    ),
    ("P12", ErrorKind.CALLER, 415, b""),
    ("P12", ErrorKind.CALLER, 422, b'{"detail":[{"msg":"field required"}]}'),
    ("", ErrorKind.PROTOCOL, 424, body()),
    ("", ErrorKind.PROTOCOL, 204, b""),
    ("", ErrorKind.PROTOCOL, 418, b"[" * 60_000),
]


@pytest.mark.parametrize(("row", "expected", "status", "refusal"), CASES)
def test_takes_a_refusal_for_what_it_says(
    row: str, expected: ErrorKind, status: int, refusal: bytes
) -> None:
    failure = verdict(status, refusal)

    assert (row, expected, status) == (failure.row, failure.kind, failure.status)


@pytest.mark.parametrize(("field", "status", "refusal"), LACKS)
def test_names_the_field_that_is_not_known(field: str, status: int, refusal: bytes) -> None:
    assert field == verdict(status, refusal).param


def test_tells_a_loading_engine_from_an_outage_at_home_only() -> None:
    loading = body("Loading model", type="unavailable_error", code=503)
    home, away = verdict(503, loading, is_local=True), verdict(503, loading)

    assert ("P10", ErrorKind.COLD_LOAD, "load") == (home.row, home.kind, home.phase)
    assert ("P11", ErrorKind.TRANSIENT) == (away.row, away.kind)
    assert "P11" == verdict(500, loading, is_local=True).row
    assert "P11" == verdict(503, b"", is_local=True).row


def test_waits_for_money_that_is_only_reserved() -> None:
    failure = verdict(402, body(code=402), wait_s=3.0)

    assert ("P09", ErrorKind.RATE_LIMIT, 3.0) == (failure.row, failure.kind, failure.retry_after_s)


@pytest.mark.parametrize(
    ("row", "status", "refusal"),
    [
        pytest.param("P06", 413, body(code="invalid_api_key"), id="code before status"),
        pytest.param(
            "P09", 500, body(code="slow_down", type="server_error"), id="code before type"
        ),
        pytest.param(
            "P07", 400, body("maximum context length", type="not_supported_error"), id="type, text"
        ),
        pytest.param("P02", 400, body("maximum context length", code=429), id="text, status"),
        pytest.param("P12", 400, body(code=429), id="the real status before a number"),
    ],
)
def test_asks_code_then_type_then_text_then_status(row: str, status: int, refusal: bytes) -> None:
    assert row == verdict(status, refusal).row


def test_has_a_test_for_every_row() -> None:
    tested = {row for row, *_ in CASES} | {"P10"}

    assert {row.name for row in ROWS} <= tested


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (body(code="invalid_api_key", type="invalid_request_error"), "invalid_api_key"),
        (body(code="invented", type="server_error"), "server_error"),
        (body(code=CANARY), "other"),
        (body(type=CANARY), "other"),
        (body(code=400), ""),
        (body(code="400"), ""),
        (b"", ""),
    ],
)
def test_names_a_code_that_is_listed(refusal: bytes, expected: str) -> None:
    assert expected == verdict(400, refusal).code


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("temperature", "temperature"),
        ("messages[0].content", "messages[0].content"),
        ("messages.0.role", "messages.0.role"),
        ("stop", "stop"),
        ("messages[0].Xylophon", ""),
        ("tell me a secret", ""),
        ("temperature\n", ""),
        ("x" * 10_000, ""),
        (["temperature"], ""),
        (None, ""),
    ],
)
def test_names_a_field_that_we_send(param: object, expected: str) -> None:
    assert expected == verdict(400, body(param=param)).param


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (
            body(type="exceed_context_size_error", n_ctx=4096, n_prompt_tokens=5000),
            (4096, 5000),
        ),
        (body("This model's maximum context length is 8192 tokens. However"), (8192, None)),
        (body("maximum context length is 99999999999999 tokens"), (None, None)),
        (body("maximum context length is long"), (None, None)),
        (body(code="context_length_exceeded", n_ctx="4096", n_prompt_tokens=-1), (None, None)),
    ],
)
def test_knows_the_window_where_that_is_said(
    refusal: bytes, expected: tuple[int | None, int | None]
) -> None:
    failure = verdict(400, refusal)

    assert expected == (failure.context_length, failure.input_tokens)
    assert "P02" == failure.row


@pytest.mark.parametrize("status", [400, 402, 403, 404, 413, 429, 500, 503, 599])
def test_passes_no_word_of_the_upstream_on(status: int) -> None:
    refusal = body(
        CANARY, code=CANARY, type=CANARY, param=CANARY, metadata=MODERATED, failed=CANARY
    )
    failure = verdict(status, refusal)

    assert CANARY not in f"{failure!r} {failure} {failure.args} {vars(failure)}"
    assert CANARY not in repr(read_refusal(status, refusal))
