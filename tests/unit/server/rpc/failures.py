"""Every failure there is, one of each."""

from collections.abc import Iterator

from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind, Route
from llmsvc_server.errors import (
    AllProvidersFailed,
    DeadlineExpired,
    InterruptCause,
    InvalidRequest,
    LlmsvcError,
    Overloaded,
    ProviderError,
    ProviderUnreachable,
    ShuttingDown,
    StreamInterrupted,
    Violation,
    ViolationReason,
)

LONG_NAME = "p" * 64
LONG_MODEL = "\N{SNOWMAN}" * 85 + "m"
PROVIDER = ProviderInfo(name=LONG_NAME, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
ROUTE = Route(provider=PROVIDER, model=LONG_MODEL, requested_model=LONG_MODEL)


def provider_errors() -> Iterator[type[ProviderError]]:
    """Yield every class of provider error that has a kind."""
    waiting = [ProviderError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "kind" in vars(kind):
            yield kind


def failed(
    kind: type[ProviderError],
    *,
    called: bool = True,
    retry_after_s: float | None = None,
    provider: ProviderInfo | None = PROVIDER,
) -> ProviderError:
    """Return one failure with every fact it can have, each as long as it can be."""
    error = kind(
        row="O07",
        status=500,
        phase="first_token",
        cause="c" * 100,
        retry_after_s=retry_after_s,
        model=LONG_MODEL,
        context_length=2**31,
        input_tokens=2**31,
        called=called,
    )
    error.provider = provider
    return error


def every_failure() -> list[LlmsvcError]:
    """Return one failure of each class, and of each kind where a class has several."""
    wrong = Violation("f" * 200, ViolationReason.MISSING, "d" * 200)
    kinds = list(provider_errors())
    return [
        *(failed(kind) for kind in kinds),
        *(AllProvidersFailed(failed(kind), retry_after_s=3, called=True) for kind in kinds),
        *(StreamInterrupted(cause, ROUTE, phase="stream") for cause in InterruptCause),
        AllProvidersFailed(failed(ProviderUnreachable), retry_after_s=None, called=False),
        DeadlineExpired(),
        DeadlineExpired(600),
        Overloaded(1),
        ShuttingDown(),
        InvalidRequest([wrong] * 40),
    ]
