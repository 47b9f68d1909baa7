"""One test per row A01 to A07 of failover.md 2.2, and C04; shapes: facts/providers.md 2.6."""

import json

import pytest

from llmsvc_server.errors import (
    ContextTooLong,
    CredentialRejected,
    ModelNotFound,
    ProviderError,
    ProviderFailed,
    ProviderMisconfigured,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    QuotaExhausted,
)
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.refusals import said
from tests.fakes.anthropic_stage import encode, error_of

PAGE = b"<html><body>cloudflare</body></html>"
LIMITS = "You have reached your specified workspace API usage limits."
CREDIT = "Your credit balance is too low to access the Anthropic API."
TOO_LONG = "prompt is too long: 208310 tokens > 200000 maximum"
TOO_MUCH = (
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input"
)
SPENT = {"error_code": "enforced_spend_limit_reached"}


def error(kind: str, text: str = "upstream words", **extra: object) -> bytes:
    """Return a body with the usual error object."""
    return encode(error_of(kind, text, **extra))


INVALID = error("invalid_request_error")


@pytest.mark.parametrize(
    ("row", "expected", "status", "body"),
    [
        ("C04", ProviderMisconfigured, 301, b""),
        ("C04", ProviderMisconfigured, 308, PAGE),
        ("C04", ProviderMisconfigured, 302, error("api_error")),
        ("A01", QuotaExhausted, 429, error("rate_limit_error", details=SPENT)),
        ("A01", QuotaExhausted, None, error("rate_limit_error", details=SPENT)),
        ("A01", QuotaExhausted, 402, error("billing_error")),
        ("A01", QuotaExhausted, 400, error("billing_error")),
        ("A01", QuotaExhausted, 402, b""),
        ("A01", QuotaExhausted, 402, INVALID),
        ("A01", QuotaExhausted, 400, error("invalid_request_error", LIMITS)),
        ("A01", QuotaExhausted, 400, error("invalid_request_error", LIMITS.upper())),
        ("A01", QuotaExhausted, 400, error("invalid_request_error", CREDIT)),
        ("A01", QuotaExhausted, None, error("invalid_request_error", CREDIT)),
        ("A02", ProviderRateLimited, 429, error("rate_limit_error")),
        ("A02", ProviderRateLimited, 429, error("rate_limit_error", LIMITS)),
        ("A02", ProviderRateLimited, 429, PAGE),
        ("A02", ProviderRateLimited, 429, error("rate_limit_error", details={"error_code": "x"})),
        ("A02", ProviderRateLimited, None, error("rate_limit_error")),
        ("A03", ProviderFailed, 529, error("overloaded_error")),
        ("A03", ProviderFailed, 529, PAGE),
        ("A03", ProviderFailed, 500, error("api_error")),
        ("A03", ProviderFailed, 504, error("timeout_error")),
        ("A03", ProviderFailed, 408, b""),
        ("A03", ProviderFailed, 409, error("conflict_error")),
        ("A03", ProviderFailed, 502, PAGE),
        ("A03", ProviderFailed, 503, b""),
        ("A03", ProviderFailed, None, error("overloaded_error")),
        ("A03", ProviderFailed, None, error("conflict_error")),
        ("A03", ProviderFailed, None, error("api_error")),
        ("A03", ProviderFailed, None, error("timeout_error")),
        ("A04", CredentialRejected, 401, error("authentication_error")),
        ("A04", CredentialRejected, 403, error("permission_error")),
        ("A04", CredentialRejected, 401, b""),
        ("A04", CredentialRejected, 403, PAGE),
        ("A05", ModelNotFound, 404, error("not_found_error", "model: claude-x")),
        ("A05", ProviderMisconfigured, 404, PAGE),
        ("A05", ProviderMisconfigured, 404, b'{"detail":"Not Found"}'),
        ("A05", ProviderMisconfigured, 405, b""),
        ("A06", ContextTooLong, 413, error("request_too_large")),
        ("A06", ContextTooLong, 413, PAGE),
        ("A06", ContextTooLong, 400, error("invalid_request_error", TOO_LONG)),
        ("A06", ContextTooLong, 400, error("invalid_request_error", TOO_MUCH)),
        ("A06", ContextTooLong, None, error("invalid_request_error", TOO_LONG)),
        ("A06", ContextTooLong, None, b'{"error":"Prompt is too long"}'),
        ("A06", ContextTooLong, 400, b'{"detail":"prompt is too long"}'),
        ("A06", ContextTooLong, 500, error("api_error", f"litellm.BadRequestError: {TOO_LONG}")),
        ("A02", ProviderRateLimited, 429, error("rate_limit_error", TOO_LONG)),
        ("A07", ProviderRejected, 400, INVALID),
        ("A07", ProviderRejected, 422, PAGE),
        ("A07", ProviderRejected, 400, b""),
        ("A07", ProviderRejected, None, INVALID),
        # Their word for anything proves nothing against a status that says more.
        ("A02", ProviderRateLimited, 429, INVALID),
        ("A03", ProviderFailed, 500, INVALID),
        ("", ProviderProtocolError, 418, b""),
        ("", ProviderProtocolError, 204, b""),
        ("A03", ProviderFailed, None, error("some_new_error")),
        ("A03", ProviderFailed, None, b"5"),
    ],
)
def test_knows_what_a_refusal_means(
    row: str, expected: type[ProviderError], status: int | None, body: bytes
) -> None:
    failure = classify(said(status, body))

    assert (row, expected, status) == (failure.row, type(failure), failure.status)


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
    assert code == classify(said(400, body)).code


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
    failure = classify(said(400, error("invalid_request_error", text)))

    assert expected == (failure.input_tokens, failure.context_length)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (b'{"error":{"message":"x","type":"None","code":"429"}}', ProviderRateLimited),
        (b'{"error":{"message":"x","status":401.0}}', CredentialRejected),
        (b'{"error":"x","code":503}', ProviderFailed),
        (b'{"error":{"code":"404"}}', ModelNotFound),
        (b'{"error":{"code":"400"}}', ProviderRejected),
        (b'{"error":{"code":"1301"}}', ProviderFailed),
        (b'{"error":{"code":302}}', ProviderFailed),
    ],
)
def test_takes_a_proxys_number_in_an_answer_for_a_status(
    told: bytes, expected: type[ProviderError]
) -> None:
    assert expected is type(classify(said(None, told)))


def test_says_when_to_come_back() -> None:
    assert 7.0 == classify(said(529, b"", retry_after_s=7.0)).retry_after_s


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
    assert status == classify(said(status, body)).status


def test_repeats_no_word_of_the_upstream() -> None:
    told = said(400, error("secret_error", "secret prompt", details={"error_code": "secret"}))
    failure = classify(told)

    assert "secret" not in f"{told!r} {failure!r} {failure} {vars(failure)}"
