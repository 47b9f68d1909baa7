"""One test per row A01 to A08, and C04, of docs/failover.md 2.2; docs/facts/providers.md 2.6."""

import json

import pytest

from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.refusals import read_error, read_refusal
from llmsvc_server.providers.shared.error_signal import ErrorSignal
from tests.fakes.anthropic_stage import encode, error_of

PAGE = b"<html><body>cloudflare</body></html>"
LIMITS = "You have reached your specified workspace API usage limits."
CREDIT = "Your credit balance is too low to access the Anthropic API."
TOO_LONG = "prompt is too long: 208310 tokens > 200000 maximum"
TOO_MUCH = (
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input"
)
SPENT = {"error_code": "enforced_spend_limit_reached"}


def signal_of(status: int | None, body: bytes) -> ErrorSignal:
    """Return what a refusal says, or an error under 200 where there is no status."""
    return read_error(body) if status is None else read_refusal(status, body)


def error(kind: str, text: str = "upstream words", **extra: object) -> bytes:
    """Return a body with the usual error object."""
    return encode(error_of(kind, text, **extra))


INVALID = error("invalid_request_error")
FORCED = 'tool_choice: type "tool" and "any" are not supported for this model.'
OPEN = (
    "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly "
    "set to false"
)
GRAMMAR = (
    "The compiled grammar is too large, which would cause performance issues. Simplify your tool "
    "schemas or reduce the number of strict tools."
)
TOO_LONG_AN_ARRAY = "tools.0.custom: For 'array' type, property 'maxItems' is not supported"
UNPAIRED = (
    "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1"
)
UNDECLARED = "Requests which include `tool_use` or `tool_result` blocks must define tools."


@pytest.mark.parametrize(
    ("row", "expected", "status", "body"),
    [
        ("C04", ErrorKind.MISCONFIGURED, 301, b""),
        ("C04", ErrorKind.MISCONFIGURED, 308, PAGE),
        ("C04", ErrorKind.MISCONFIGURED, 302, error("api_error")),
        ("A01", ErrorKind.QUOTA, 429, error("rate_limit_error", details=SPENT)),
        ("A01", ErrorKind.QUOTA, None, error("rate_limit_error", details=SPENT)),
        ("A01", ErrorKind.QUOTA, 402, error("billing_error")),
        ("A01", ErrorKind.QUOTA, 400, error("billing_error")),
        ("A01", ErrorKind.QUOTA, 402, b""),
        ("A01", ErrorKind.QUOTA, 402, INVALID),
        ("A01", ErrorKind.QUOTA, 400, error("invalid_request_error", LIMITS)),
        ("A01", ErrorKind.QUOTA, 400, error("invalid_request_error", LIMITS.upper())),
        ("A01", ErrorKind.QUOTA, 400, error("invalid_request_error", CREDIT)),
        ("A01", ErrorKind.QUOTA, None, error("invalid_request_error", CREDIT)),
        ("A02", ErrorKind.RATE_LIMIT, 429, error("rate_limit_error")),
        ("A02", ErrorKind.RATE_LIMIT, 429, error("rate_limit_error", LIMITS)),
        ("A02", ErrorKind.RATE_LIMIT, 429, PAGE),
        ("A02", ErrorKind.RATE_LIMIT, 429, error("rate_limit_error", details={"error_code": "x"})),
        ("A02", ErrorKind.RATE_LIMIT, None, error("rate_limit_error")),
        ("A03", ErrorKind.TRANSIENT, 529, error("overloaded_error")),
        ("A03", ErrorKind.TRANSIENT, 529, PAGE),
        ("A03", ErrorKind.TRANSIENT, 500, error("api_error")),
        ("A03", ErrorKind.TRANSIENT, 504, error("timeout_error")),
        ("A03", ErrorKind.TRANSIENT, 408, b""),
        ("A03", ErrorKind.TRANSIENT, 409, error("conflict_error")),
        ("A03", ErrorKind.TRANSIENT, 502, PAGE),
        ("A03", ErrorKind.TRANSIENT, 503, b""),
        ("A03", ErrorKind.TRANSIENT, None, error("overloaded_error")),
        ("A03", ErrorKind.TRANSIENT, None, error("conflict_error")),
        ("A03", ErrorKind.TRANSIENT, None, error("api_error")),
        ("A03", ErrorKind.TRANSIENT, None, error("timeout_error")),
        ("A04", ErrorKind.CREDENTIAL, 401, error("authentication_error")),
        ("A04", ErrorKind.CREDENTIAL, 403, error("permission_error")),
        ("A04", ErrorKind.CREDENTIAL, 401, b""),
        ("A04", ErrorKind.CREDENTIAL, 403, PAGE),
        ("A05", ErrorKind.MODEL_MISSING, 404, error("not_found_error", "model: claude-x")),
        ("A05", ErrorKind.MISCONFIGURED, 404, PAGE),
        ("A05", ErrorKind.MISCONFIGURED, 404, b'{"detail":"Not Found"}'),
        ("A05", ErrorKind.MISCONFIGURED, 405, b""),
        ("A06", ErrorKind.CONTEXT, 413, error("request_too_large")),
        ("A06", ErrorKind.CONTEXT, 413, PAGE),
        ("A06", ErrorKind.CONTEXT, 400, error("invalid_request_error", TOO_LONG)),
        ("A06", ErrorKind.CONTEXT, 400, error("invalid_request_error", TOO_MUCH)),
        ("A06", ErrorKind.CONTEXT, None, error("invalid_request_error", TOO_LONG)),
        ("A06", ErrorKind.CONTEXT, None, b'{"error":"Prompt is too long"}'),
        ("A06", ErrorKind.CONTEXT, 400, b'{"detail":"prompt is too long"}'),
        ("A06", ErrorKind.CONTEXT, 500, error("api_error", f"litellm.BadRequestError: {TOO_LONG}")),
        ("A02", ErrorKind.RATE_LIMIT, 429, error("rate_limit_error", TOO_LONG)),
        ("A08", ErrorKind.CAPABILITY, 400, error("invalid_request_error", FORCED)),
        ("A08", ErrorKind.CAPABILITY, 422, b'{"detail":"output_config: Extra inputs"}'),
        ("A08", ErrorKind.CAPABILITY, 400, error("invalid_request_error", GRAMMAR)),
        ("A08", ErrorKind.CAPABILITY, None, error("invalid_request_error", TOO_LONG_AN_ARRAY)),
        ("A02", ErrorKind.RATE_LIMIT, 429, error("rate_limit_error", FORCED)),
        ("A07", ErrorKind.CALLER, 400, error("invalid_request_error", UNPAIRED)),
        ("A07", ErrorKind.CALLER, 400, error("invalid_request_error", UNDECLARED)),
        ("A07", ErrorKind.CALLER, 400, INVALID),
        ("A07", ErrorKind.CALLER, 422, PAGE),
        ("A07", ErrorKind.CALLER, 400, b""),
        ("A07", ErrorKind.CALLER, None, INVALID),
        # Their word for anything proves nothing against a status that says more.
        ("A02", ErrorKind.RATE_LIMIT, 429, INVALID),
        ("A03", ErrorKind.TRANSIENT, 500, INVALID),
        ("", ErrorKind.PROTOCOL, 418, b""),
        ("", ErrorKind.PROTOCOL, 204, b""),
        ("A03", ErrorKind.TRANSIENT, None, error("some_new_error")),
        ("A03", ErrorKind.TRANSIENT, None, b"5"),
    ],
)
def test_knows_what_a_refusal_means(
    row: str, expected: ErrorKind, status: int | None, body: bytes
) -> None:
    failure = classify(signal_of(status, body))

    assert (row, expected, status) == (failure.row, failure.kind, failure.status)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("enforced_spend_limit_reached", error("rate_limit_error", details=SPENT)),
        ("rate_limit_error", error("rate_limit_error", details={"error_code": "secret"})),
        ("overloaded_error", error("overloaded_error")),
        ("other", error("secret_error")),
        ("other", error("", details={"error_code": "secret"})),
        ("", error("")),
        ("", PAGE),
        ("", b'{"error":{"type":["api_error"]}}'),
    ],
)
def test_repeats_a_code_of_the_upstream_only_if_it_is_listed(code: str, body: bytes) -> None:
    assert code == classify(read_refusal(400, body)).code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FORCED, "tool_choice"),
        (OPEN, "response_format"),
        ("'claude-3-opus-20240229' does not support output format.", "response_format"),
        (GRAMMAR, "response_format"),
        ("output_config.format.schema: Invalid schema: " + GRAMMAR, "response_format"),
        (TOO_LONG_AN_ARRAY, "tools"),
        ("tools: Extra inputs are not permitted", "tools"),
        ("Tool use is not supported by this model", "tools"),
        ("'claude-2' doesn't support tools", "tools"),
        (UNPAIRED, ""),
        ("temperature: range: 0..1", ""),
    ],
)
def test_names_what_the_server_lacks(text: str, expected: str) -> None:
    assert expected == classify(read_refusal(400, error("invalid_request_error", text))).param


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TOO_LONG, (208_310, 200_000)),
        (TOO_MUCH, (188_240, 200_000)),
        ("prompt is too long", (None, None)),
        ("prompt is too long: 9999999999 tokens > 0 maximum", (None, None)),
        ("prompt is too long: 12345678901234567890 tokens > 5 maximum", (None, None)),
    ],
)
def test_reads_the_numbers_of_an_overflow(text: str, expected: tuple[int | None, ...]) -> None:
    failure = classify(read_refusal(400, error("invalid_request_error", text)))

    assert expected == (failure.input_tokens, failure.context_length)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (b'{"error":{"message":"x","type":"None","code":"429"}}', ErrorKind.RATE_LIMIT),
        (b'{"error":{"message":"x","status":401.0}}', ErrorKind.CREDENTIAL),
        (b'{"error":"x","code":503}', ErrorKind.TRANSIENT),
        (b'{"error":{"code":"404"}}', ErrorKind.MODEL_MISSING),
        (b'{"error":{"code":"400"}}', ErrorKind.CALLER),
        (b'{"error":{"code":"1301"}}', ErrorKind.TRANSIENT),
        (b'{"error":{"code":302}}', ErrorKind.TRANSIENT),
    ],
)
def test_takes_a_proxys_number_in_an_answer_for_a_status(told: bytes, expected: ErrorKind) -> None:
    assert expected is classify(read_error(told)).kind


def test_says_when_to_come_back() -> None:
    assert 7.0 == classify(read_refusal(529, b"", retry_after_s=7.0)).retry_after_s


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"[" * 100_000, b'{"error":' * 100_000, b"null", b"5", b'"x"', b"[1]"),
        *(b'{"error":null}', b'{"error":"x"}', b'{"error":{"message":5,"type":[],"details":7}}'),
        *(b'{"error":{"details":{"error_code":{}}}}', b'{"error":{"message":"\xff"}}'),
        json.dumps({"error": {"message": "\ud800"}}).encode(),
    ],
)
@pytest.mark.parametrize("status", [400, 404, 500, 599, None])
def test_makes_something_of_any_body(status: int | None, body: bytes) -> None:
    assert status == classify(signal_of(status, body)).status


def test_repeats_no_word_of_the_upstream() -> None:
    told = read_refusal(
        400, error("secret_error", "secret prompt", details={"error_code": "secret"})
    )
    failure = classify(told)

    assert "secret" not in f"{told!r} {failure!r} {failure} {vars(failure)}"
