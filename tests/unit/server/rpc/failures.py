"""Every failure there is, one of each."""

from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import (
    Attempt,
    Locality,
    Privacy,
    ProviderInfo,
    ProviderKind,
    Trail,
)
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import (
    AllProvidersFailed,
    DeadlineExpired,
    InvalidRequest,
    LlmsvcError,
    Overloaded,
    ProviderError,
    ProviderNotFound,
    ShuttingDown,
    StreamInterrupted,
    Violation,
    ViolationReason,
)
from llmsvc_server.failures import ErrorKind, InterruptCause
from tests.fakes.receipts import receipt_of

LONG_NAME = "p" * 64
LONG_MODEL = "\N{SNOWMAN}" * 85 + "m"
PROVIDER = ProviderInfo(name=LONG_NAME, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)


def attempt(  # noqa: PLR0913  facts, all but the outcome by keyword
    code: str = "OK",
    reason: str = "",
    *,
    provider: ProviderInfo = PROVIDER,
    model: str = LONG_MODEL,
    elapsed_s: float | None = 1.5,
    content_sent: bool = True,
) -> Attempt:
    """Return one target tried, or skipped where it sent nothing and took no time."""
    return Attempt(
        provider=provider,
        model=model,
        code=code,
        reason=reason,
        elapsed_s=elapsed_s,
        content_sent=content_sent,
    )


FAILED = attempt("UNAVAILABLE", "PROVIDER_ERROR")
SKIPPED = attempt("UNAVAILABLE", "BREAKER_OPEN", elapsed_s=None, content_sent=False)


def trail_of(*attempts: Attempt, requested_model: str = LONG_MODEL) -> Trail:
    """Return what was tried under the strictest policy."""
    return Trail(requested_model=requested_model, privacy=Privacy.LOCAL_ONLY, attempts=attempts)


def answered() -> Receipt:
    """Return the receipt of a call that is answered after two failures."""
    return receipt_of(FAILED, SKIPPED, attempt(), requested_model=LONG_MODEL)


def failed(
    kind: ErrorKind,
    *,
    called: bool = True,
    retry_after_s: float | None = None,
    provider: ProviderInfo | None = PROVIDER,
) -> ProviderError:
    """Return one failure with every fact it can have, each as long as it can be."""
    return ProviderError(
        kind,
        provider=provider,
        row="O07",
        status=500,
        phase="first_token",
        cause="c" * 100,
        param="p" * 64,
        retry_after_s=retry_after_s,
        model=LONG_MODEL,
        context_length=2**31,
        input_tokens=2**31,
        called=called,
    )


def every_failure() -> list[LlmsvcError]:
    """Return one failure of each class, and of each kind where a class has several."""
    wrong = Violation("f" * 200, ViolationReason.MISSING, "d" * 200)
    kinds = list(ErrorKind)
    return [
        *(failed(kind) for kind in kinds),
        *(AllProvidersFailed(failed(kind), retry_after_s=3, called=True) for kind in kinds),
        *(
            StreamInterrupted(cause, phase="stream", usage=Usage(output_tokens=5))
            for cause in InterruptCause
        ),
        AllProvidersFailed(
            failed(ErrorKind.CONNECT), retry_after_s=3, called=True, failover_blocked="privacy"
        ),
        AllProvidersFailed(failed(ErrorKind.CONNECT), retry_after_s=None, called=False),
        DeadlineExpired(),
        DeadlineExpired(600),
        Overloaded(1),
        ShuttingDown(),
        ProviderNotFound("n" * 64),
        InvalidRequest([wrong] * 40),
    ]
