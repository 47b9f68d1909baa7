"""What an Ollama's refusals and error lines mean.

Ollama has no error codes, so its texts are read. An error line has no status: Ollama 0.10.1 sends
under 200 what newer ones refuse with one.

Rows and order: docs/failover.md 2.2. Texts: docs/facts/ollama.md 5, from the server's code and from
recordings of 0.10.1 and 0.24.0.
"""

from dataclasses import replace

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.refusals import OllamaTrait, read_refusal
from llmsvc_server.providers.shared.error_signal import ErrorSignal, Trait
from llmsvc_server.providers.shared.error_table import ErrorTable, Row

ROWS: tuple[Row, ...] = (
    Row(name="C04", error=ErrorKind.MISCONFIGURED, statuses=range(300, 400)),
    Row(
        name="O02",
        error=ErrorKind.MODEL_OUTPUT,
        texts=("error parsing tool call", "xml syntax error", "invalid tool call arguments"),
        cause="toolCall",
    ),
    Row(name="O04", error=ErrorKind.MODEL_MISSING, statuses={404}, traits={Trait.ERROR}),
    # The router sends only listed names. Such a model has a manifest, and its weights are gone.
    Row(
        name="O04", error=ErrorKind.MODEL_MISSING, statuses={400}, texts=("does not support chat",)
    ),
    Row(name="O04", error=ErrorKind.MISCONFIGURED, statuses={404, 405}),
    Row(
        name="O04",
        error=ErrorKind.MISCONFIGURED,
        statuses={403},
        traits={OllamaTrait.EMPTY},
    ),
    Row(name="O05", error=ErrorKind.REMOTE_REFUSED, traits=frozenset({OllamaTrait.CLOUD_STATUS})),
    Row(
        name="O05",
        error=ErrorKind.REMOTE_REFUSED,
        statuses={401},
        traits=frozenset({OllamaTrait.SIGN_IN}),
    ),
    Row(
        name="O05",
        error=ErrorKind.REMOTE_REFUSED,
        statuses={403},
        texts=("cloud is disabled", "remote model"),
    ),
    Row(
        name="O05",
        error=ErrorKind.REMOTE_REFUSED,
        statuses={400},
        texts=("cannot run this remote model",),
    ),
    Row(name="O06", error=ErrorKind.CREDENTIAL, statuses={401, 403}),
    Row(name="O06", error=ErrorKind.RATE_LIMIT, statuses={429}),
    Row(
        name="O07",
        error=ErrorKind.SATURATED,
        statuses={503},
        or_in_answer=True,
        texts=("maximum pending requests",),
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        statuses={400},
        or_in_answer=True,
        traits=frozenset({OllamaTrait.OVERFLOW_TYPE}),
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        texts=(
            "prompt is longer than the context length",
            "input length exceeds the context length",
            "exceeds the available context size",
            "context size has been exceeded",
            "prompt too long; exceeded",
        ),
    ),
    Row(
        name="O08",
        error=ErrorKind.CONTEXT,
        statuses={400, 413, 422, *range(500, 600)},
        or_in_answer=True,
        traits={Trait.OVERFLOW},
    ),
    Row(
        name="O09",
        error=ErrorKind.CAPABILITY,
        statuses={400},
        or_in_answer=True,
        texts=("does not support", "chatrequest.think", "invalid think value", "think must be"),
    ),
    Row(name="O10", error=ErrorKind.CONTEXT, statuses={413}),
    Row(name="O10", error=ErrorKind.CALLER, statuses={400, 415, 422}),
    Row(
        name="O10",
        error=ErrorKind.CALLER,
        statuses={500},
        or_in_answer=True,
        texts=(
            'option "',
            "invalid format:",
            "invalid json schema in format",
            "failed to create new sequence",
        ),
    ),
    Row(
        name="O10a",
        error=ErrorKind.COLD_LOAD,
        statuses={503},
        or_in_answer=True,
        texts=("loading model",),
        phase="load",
    ),
    # Before O11: newer servers append a line of the engine's log, in which anything may stand.
    Row(
        name="O10b",
        error=ErrorKind.TRANSIENT,
        engine_died=True,
        statuses={500},
        or_in_answer=True,
        texts=("has unexpectedly stopped", "while running the model: unexpected eof"),
    ),
    Row(
        name="O11",
        error=ErrorKind.LOAD_FAILED,
        statuses={500},
        or_in_answer=True,
        texts=(
            "unable to load model",
            "exceeds file size",
            "=unexpected eof",
            "timed out waiting for llama",
            "process has terminated",
            "no longer running",
            "out-of-memory",
            "requires more system memory",
            "failed to load",
            "may be incompatible with your version",
            "binary not found",
        ),
        phase="load",
    ),
    Row(name="O12", error=ErrorKind.TRANSIENT, statuses={499, *range(500, 600)}, or_in_answer=True),
)

_table = ErrorTable(ROWS)


def classify(signal: ErrorSignal, *, window_tokens: int | None = None) -> ProviderError:
    """Return the failure that an Ollama means.

    Args:
        signal: Its refusal, or the error line under 200 that ended an answer.
        window_tokens: Its context window, which most of its texts do not tell; None if unknown.
    """
    error = _table.classify(signal)
    if error.kind is not ErrorKind.CONTEXT:
        return error
    return replace(error, context_length=error.context_length or window_tokens)


def classify_refusal(status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
    """Return the failure that a refusal means; see `Classify`."""
    return classify(read_refusal(status, body, retry_after_s))
