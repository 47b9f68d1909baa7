"""One test per row of docs/failover.md 2.2, with what real servers sent where it was recorded."""

from http import HTTPStatus

import pytest

from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.refusals import read_error_line, read_refusal
from tests.fakes.recordings import VERSIONS, cases, recording
from tests.unit.server.providers.ollama.failing import (
    PAGE,
    SIGN_IN,
    STUB,
    WINDOW,
    error,
)

OVERFLOW = "prompt is too long: 210000 tokens > 200000 maximum"
"""Of another server, which a proxy passes on."""


def verdict(failure: ProviderError) -> tuple[str, ErrorKind]:
    """Return what a test asks for: row and class."""
    return failure.row, failure.kind


@pytest.mark.parametrize(
    ("row", "expected", "status", "body"),
    [
        ("C04", ErrorKind.MISCONFIGURED, 307, b""),
        ("C04", ErrorKind.MISCONFIGURED, 302, PAGE),
        ("O02", ErrorKind.MODEL_OUTPUT, 500, error("error parsing tool call: raw='{', err=EOF")),
        ("O02", ErrorKind.MODEL_OUTPUT, 500, error("XML syntax error on line 4: element <p>")),
        (
            "O02",
            ErrorKind.MODEL_OUTPUT,
            500,
            error('llama-server: invalid tool call arguments for "x"'),
        ),
        ("O04", ErrorKind.MODEL_MISSING, 404, error('model "m" not found, try pulling it first')),
        ("O04", ErrorKind.MODEL_MISSING, 400, error('"m" does not support chat')),
        ("O04", ErrorKind.MISCONFIGURED, 404, b"404 page not found"),
        ("O04", ErrorKind.MISCONFIGURED, 404, b'{"detail":"Not Found"}'),
        ("O04", ErrorKind.MISCONFIGURED, 404, b'{"error":{"message":"no such path"}}'),
        ("O04", ErrorKind.MISCONFIGURED, 404, b""),
        ("O04", ErrorKind.MISCONFIGURED, 405, b"405 method not allowed"),
        ("O04", ErrorKind.MISCONFIGURED, 403, b""),
        ("O05", ErrorKind.REMOTE_REFUSED, 401, SIGN_IN),
        (
            "O05",
            ErrorKind.REMOTE_REFUSED,
            403,
            error("ollama cloud is disabled: remote model is unavailable"),
        ),
        ("O05", ErrorKind.REMOTE_REFUSED, 400, error("this server cannot run this remote model")),
        ("O05", ErrorKind.REMOTE_REFUSED, 429, STUB),
        ("O06", ErrorKind.CREDENTIAL, 401, b""),
        ("O06", ErrorKind.CREDENTIAL, 401, error("unauthorized")),
        ("O06", ErrorKind.CREDENTIAL, 403, PAGE),
        ("O06", ErrorKind.RATE_LIMIT, 429, PAGE),
        ("O07", ErrorKind.SATURATED, 503, error("server busy.  maximum pending requests exceeded")),
        ("O08", ErrorKind.CONTEXT, 400, WINDOW),
        (
            "O08",
            ErrorKind.CONTEXT,
            400,
            error("the prompt is longer than the context length cur..."),
        ),
        ("O08", ErrorKind.CONTEXT, 400, error("the input length exceeds the context length")),
        ("O08", ErrorKind.CONTEXT, 400, error("request exceeds the available context size, try")),
        ("O08", ErrorKind.CONTEXT, 500, error("Context size has been exceeded.")),
        ("O08", ErrorKind.CONTEXT, 400, error("prompt too long; exceeded max context length by 1")),
        ("O08", ErrorKind.CONTEXT, 400, error(f"litellm.BadRequestError: {OVERFLOW}")),
        ("O08", ErrorKind.CONTEXT, 500, error(OVERFLOW)),
        ("O06", ErrorKind.RATE_LIMIT, 429, error(OVERFLOW)),
        ("O10", ErrorKind.CALLER, 400, error(f"you said: {OVERFLOW}")),
        ("O09", ErrorKind.CAPABILITY, 400, error('"m" does not support thinking')),
        ("O09", ErrorKind.CAPABILITY, 400, error("into Go struct field ChatRequest.think of type")),
        ("O09", ErrorKind.CAPABILITY, 400, error('invalid think value: "loud"')),
        ("O09", ErrorKind.CAPABILITY, 400, error("think must be a boolean or string")),
        ("O10", ErrorKind.CONTEXT, 413, PAGE),
        ("O10", ErrorKind.CALLER, 400, error("missing request body")),
        ("O10", ErrorKind.CALLER, 415, b""),
        ("O10", ErrorKind.CALLER, 422, b'{"detail":[]}'),
        ("O10", ErrorKind.CALLER, 500, error('option "stop" must be of type array')),
        ("O10", ErrorKind.CALLER, 500, error('invalid format: "5"; expected "json"')),
        ("O10", ErrorKind.CALLER, 500, error("invalid JSON schema in format")),
        ("O10", ErrorKind.CALLER, 500, error("Failed to create new sequence: no input")),
        ("O10a", ErrorKind.COLD_LOAD, 503, b'{"error":{"code":503,"message":"Loading model"}}'),
        (
            "O10b",
            ErrorKind.TRANSIENT,
            500,
            error("model runner has unexpectedly stopped: failed to load"),
        ),
        ("O11", ErrorKind.LOAD_FAILED, 500, error("unable to load model: /x")),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error('tensor "o" offset+size (9) exceeds file size (8)'),
        ),
        ("O11", ErrorKind.LOAD_FAILED, 500, error("unexpected EOF")),
        ("O11", ErrorKind.LOAD_FAILED, 500, error("timed out waiting for llama-server to start")),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error("llama runner process has terminated: signal: killed"),
        ),
        ("O11", ErrorKind.LOAD_FAILED, 500, error("llama-server process no longer running: 1")),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error("llama-server reported out-of-memory during startup"),
        ),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error("model requires more system memory (9 GiB) than is"),
        ),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error("model failed to load, this may be due to resource"),
        ),
        (
            "O11",
            ErrorKind.LOAD_FAILED,
            500,
            error("this model may be incompatible with your version of O"),
        ),
        ("O11", ErrorKind.LOAD_FAILED, 500, error("error starting llama-server: binary not found")),
        ("O12", ErrorKind.TRANSIENT, 500, b""),
        ("O12", ErrorKind.TRANSIENT, 500, error("read: unexpected EOF")),
        ("O12", ErrorKind.TRANSIENT, 499, error("request canceled")),
        ("O12", ErrorKind.TRANSIENT, 502, PAGE),
        (
            "O12",
            ErrorKind.TRANSIENT,
            503,
            error("Server overloaded, please retry shortly (ref: 1)"),
        ),
        ("", ErrorKind.PROTOCOL, 418, b""),
        ("", ErrorKind.PROTOCOL, 204, b""),
        ("", ErrorKind.PROTOCOL, 101, b""),
    ],
)
def test_knows_what_a_refusal_means(
    row: str, expected: ErrorKind, status: int, body: bytes
) -> None:
    failure = classify(read_refusal(status, body))

    assert (row, expected) == verdict(failure)
    assert status == failure.status


def test_knows_an_engine_that_died_from_one_that_failed() -> None:
    died = error("model runner has unexpectedly stopped: failed to load")

    assert classify(read_refusal(500, died)).engine_died
    assert not classify(read_refusal(500, error("something else"))).engine_died


@pytest.mark.parametrize(
    ("row", "expected", "told"),
    [
        ("O06", ErrorKind.RATE_LIMIT, {"message": "x", "type": "None", "code": "429"}),
        ("O06", ErrorKind.CREDENTIAL, {"message": "x", "status": 401.0}),
        ("O04", ErrorKind.MODEL_MISSING, {"message": "x", "code": 404}),
        ("O08", ErrorKind.CONTEXT, {"message": "the prompt is longer than the context length"}),
        ("O08", ErrorKind.CONTEXT, {"message": OVERFLOW, "code": "400"}),
        ("O08", ErrorKind.CONTEXT, OVERFLOW),
        ("O11", ErrorKind.LOAD_FAILED, {"message": "unable to load model: /x", "code": 503}),
        *(
            ("O12", ErrorKind.TRANSIENT, {"message": "x", "code": code})
            for code in ("1301", 302, None)
        ),
        ("O12", ErrorKind.TRANSIENT, 5),
        ("O12", ErrorKind.TRANSIENT, True),
        ("O12", ErrorKind.TRANSIENT, [5]),
        ("O12", ErrorKind.TRANSIENT, "x"),
    ],
)
def test_knows_what_an_error_under_200_means(row: str, expected: ErrorKind, told: object) -> None:
    assert (row, expected) == verdict(classify(read_error_line(told, of_cloud=False)))


# Case -> row; two rows where the versions differ.
RECORDED = {
    # Our own mistakes, which the adapter does not make.
    **dict.fromkeys(
        (
            *("body-array", "body-empty", "body-not-json", "body-truncated", "stream-string"),
            *("images-bad-base64", "logprobs-21", "options-list"),
            *("keep-alive-bool", "keep-alive-minus-1-string", "keep-alive-string-number"),
            *("keep-alive-words", "message-arguments-string", "message-content-parts"),
            *("model-empty", "model-malformed", "model-missing", "model-both-suffixes"),
            *("model-local-suffix", "option-num-ctx-string", "option-stop-numbers"),
            *("option-stop-string", "option-temperature-string", "option-use-mmap-string"),
            *("format-bad-schema", "format-bad-string", "format-number"),
        ),
        "O10",
    ),
    **dict.fromkeys(("load-unknown-model", "unknown-model", "unknown-model-tag"), "O04"),
    **dict.fromkeys(("weights-gone", "weights-gone-whole"), "O04"),
    **dict.fromkeys(("host-foreign", "host-public-ip", "host-single-label"), "O04"),
    **dict.fromkeys(("origin-foreign", "method-wrong", "path-prefix", "path-unknown"), "O04"),
    **dict.fromkeys(("path-double-slash", "path-trailing-slash"), "C04"),
    **dict.fromkeys(("queue-full", "queue-full-whole"), "O07"),
    **dict.fromkeys(
        (
            *("overflow-history-truncate-false", "overflow-history-truncate-false-shift-false"),
            *("overflow-message-truncate-false", "overflow-message-truncate-false-shift-false"),
            *("overflow-message-truncate-false-whole", "prompt-one-too-many"),
        ),
        "O08",
    ),
    **dict.fromkeys(
        (
            *("think-high", "think-high-unable", "think-loud", "think-max", "think-number"),
            *("think-true-unable", "tools-unable", "tools-and-think-unable"),
        ),
        "O09",
    ),
    **dict.fromkeys(
        ("runner-killed-before-first-token", "runner-killed-before-first-token-whole"), "O10b"
    ),
    **dict.fromkeys(
        (
            *("load-missing-tensor", "load-missing-tensor-whole", "load-truncated-weights"),
            *("load-truncated-weights-whole", "manifest-broken-chat"),
            "runner-killed-while-loading",
        ),
        "O11",
    ),
    "tool-parse-error-whole": "O02",
    "model-cloud-suffix": "O04 O05",
}


def refused() -> list[tuple[str, str]]:
    """Return the recorded chats with a status other than 200."""
    return [
        (version, case)
        for version in VERSIONS
        for case in cases(version)
        if recording(version, case).status != HTTPStatus.OK
        and "chat" in recording(version, case).path
    ]


@pytest.mark.parametrize(("version", "case"), refused())
def test_knows_what_each_recorded_refusal_means(version: str, case: str) -> None:
    recorded = recording(version, case)
    *_, expected = RECORDED[case].split()[: 1 + VERSIONS.index(version)]

    assert expected == classify(read_refusal(recorded.status, recorded.body)).row


def test_reads_the_numbers_of_an_overflow() -> None:
    failure = classify(read_refusal(HTTPStatus.BAD_REQUEST, WINDOW))

    assert (4096, 5000) == (failure.context_length, failure.input_tokens)


@pytest.mark.parametrize("number", ["-1", "0", "true", '"4096"', "4096.0", "1e99", "9" * 30, "{}"])
def test_takes_no_number_from_an_overflow_that_cannot_be_one(number: str) -> None:
    inner = f'{{"error":{{"type":"exceed_context_size_error","n_ctx":{number}}}}}'

    assert classify(read_refusal(HTTPStatus.BAD_REQUEST, error(inner))).context_length is None


def test_says_when_to_come_back() -> None:
    assert 7.0 == classify(read_refusal(429, b"", retry_after_s=7.0)).retry_after_s


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"5", b'"x"', b"[1]"),
        *(b'{"error":"\xff"}', b'{"error":{"message":5,"type":[]}}', b'{"error":null}'),
        *(error("[" * 50_000), error('{"error":5}'), error('{"message":{}}'), b"{" + b"x" * 70_000),
    ],
)
@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_makes_something_of_any_body(status: int, body: bytes) -> None:
    assert classify(read_refusal(status, body)).status == status


def test_repeats_no_word_of_the_upstream() -> None:
    told = read_refusal(500, error("secret-prompt: /var/lib/x"))
    failure = classify(told)

    assert "secret" not in f"{told!r} {failure!r} {failure} {vars(failure)}"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("registry.ollama.ai/library/phi3:mini does not support tools", "tools"),
        ('"phi3:mini" does not support thinking', ""),
    ],
)
def test_names_the_field_that_a_model_has_no_tools_for(message: str, field: str) -> None:
    assert field == classify(read_refusal(400, error(message))).param
