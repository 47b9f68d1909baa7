"""From our errors to what a caller is told: code, reason, fixed text, facts. No grpc objects yet.

Whatever an upstream said stays below: every sentence here is ours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llmsvc_server.chat.naming import is_plain, join_names
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import ProviderKind, Route, Trail
from llmsvc_server.chat.tls import TlsTrouble
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import (
    AllProvidersFailed,
    DeadlineExpired,
    InvalidRequest,
    Overloaded,
    ProviderError,
    ProviderNotFound,
    ShuttingDown,
    StreamInterrupted,
    Violation,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.fit import fields_of
from llmsvc_server.rpc.open_streams import StreamLimitReached

MIN_PUSHBACK_MS = 100
"""A pushback of 0 makes a grpcio client hang until its deadline (docs/contract.md 5)."""

NO_RETRY = -1
MAX_RETRY_S = 86_400.0
"""Longest advice, whatever an upstream asked for: a day. Far longer ones fit no message."""

LACKS = (
    "Nobody who may be asked can do what {fields} asks for: leave it out, have"
    " unsupported_feature_action EMULATE or DEGRADE it, or name another target than {model} of"
    " provider {provider}."
)
DRAIN_RETRY_S = 0.1
STREAM_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcFailure:
    """One failed call, as its status will say it.

    `code` is a gRPC status code's name, `reason` an ErrorReason without its prefix.
    `pushback_ms` steers gRPC's own retries, None where it is not sent. `missing` is the type and
    the name of a resource, `unmet` what a `precondition` is about, `quota_of` who limits our account. `trail` is what was tried, `route`
    who had begun to answer, `usage` what the delivered part of an answer took.
    """

    code: str
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    pushback_ms: int | None = None
    violations: tuple[Violation, ...] = ()
    missing: tuple[str, str] | None = None
    precondition: str | None = None
    unmet: str = ""
    quota_of: str | None = None
    trail: Trail | None = None
    route: Route | None = None
    usage: Usage | None = None

    @property
    def attempts(self) -> int:
        """How many targets were tried or skipped."""
        return 0 if self.trail is None else len(self.trail.attempts)


def to_failure(error: BaseException, receipt: Receipt | None = None) -> RpcFailure:
    """Return what the caller is told of `error`. Anything unknown is a defect of ours.

    Args:
        error: What ended the call.
        receipt: What was tried until then; None where nothing is routed.
    """
    failure = _from_error(error)
    if isinstance(error, ProviderError | AllProvidersFailed) and error.failover_blocked:
        blocked = {"failoverBlocked": error.failover_blocked}
        failure = replace(failure, metadata={**failure.metadata, **blocked})
    return failure if receipt is None else _add_trail(failure, receipt)


def _add_trail(failure: RpcFailure, receipt: Receipt) -> RpcFailure:
    """Return a failure with what was tried before it, which alone decides on retries then."""
    trail = receipt.trail(failure.code, failure.reason)
    if trail is None:
        return failure
    sent = any(attempt.content_sent for attempt in trail.attempts)
    final = failure.code in ("ABORTED", "DEADLINE_EXCEEDED")
    pushback_ms = _pushback_ms(failure.code, failure.retry_after_s, called=sent or final)
    return replace(failure, trail=trail, route=receipt.route, pushback_ms=pushback_ms)


def _from_error(error: BaseException) -> RpcFailure:
    match error:
        case InvalidRequest():
            return _from_invalid_request(error)
        case ProviderError():
            return _from_provider_error(error)
        case AllProvidersFailed():
            return _from_all_failed(error)
        case StreamInterrupted():
            return _from_interrupted(error)
        case DeadlineExpired():
            return _from_expired(error)
        case _:
            return _from_server_error(error)


def _from_server_error(error: BaseException) -> RpcFailure:
    match error:
        case ProviderNotFound():
            return RpcFailure(
                code="NOT_FOUND",
                reason="PROVIDER_NOT_FOUND",
                message="No provider of the requested name is configured.",
                missing=("provider", error.name),
            )
        case Overloaded():
            return RpcFailure(
                code="RESOURCE_EXHAUSTED",
                reason="SERVER_OVERLOADED",
                message="This server runs all the chats that it may; try again soon.",
                retry_after_s=error.retry_after_s,
            )
        case StreamLimitReached():
            return RpcFailure(
                code="RESOURCE_EXHAUSTED",
                reason="SERVER_OVERLOADED",
                message=error.sentence,
                retry_after_s=STREAM_RETRY_S,
            )
        case ShuttingDown():
            return RpcFailure(
                code="UNAVAILABLE",
                reason="SERVER_DRAINING",
                message="This server is shutting down; ask another one.",
                retry_after_s=DRAIN_RETRY_S,
                pushback_ms=_pushback_ms("UNAVAILABLE", DRAIN_RETRY_S, called=error.called),
            )
        case _:
            return RpcFailure(
                code="INTERNAL",
                reason="INTERNAL_ERROR",
                message="A defect of this server; its log has the request id.",
            )


def _from_invalid_request(error: InvalidRequest) -> RpcFailure:
    first, count = error.violations[0], len(error.violations)
    more = f" (and {count - 1} more)" if count > 1 else ""
    return RpcFailure(
        code="INVALID_ARGUMENT",
        reason="INVALID_REQUEST",
        message=f"{first.field or 'request'}: {first.description}{more}",
        violations=tuple(error.violations),
    )


def _from_provider_error(error: ProviderError) -> RpcFailure:
    rules = error.kind.rules
    wait_s = _bound(error.advised_wait_s)
    return RpcFailure(
        code=rules.code,
        reason=rules.reason,
        message=_sentence(error),
        metadata=_metadata(error),
        retry_after_s=wait_s,
        pushback_ms=_pushback_ms(rules.code, wait_s, called=error.called),
        missing=("model", error.model) if error.kind is ErrorKind.MODEL_MISSING else None,
        precondition=rules.precondition,
        unmet=", ".join(fields_of(error.lacks)),
        quota_of=_name_of(error) if error.kind is ErrorKind.QUOTA else None,
    )


def _from_all_failed(error: AllProvidersFailed) -> RpcFailure:
    rules = error.deciding.kind.rules
    wait_s = _bound(error.retry_after_s)
    return RpcFailure(
        code=rules.code,
        reason="ALL_TARGETS_FAILED",
        message=f"All targets failed. {_sentence(error.deciding)}",
        metadata={**_metadata(error.deciding), "primaryReason": rules.reason},
        retry_after_s=wait_s,
        pushback_ms=_pushback_ms(rules.code, wait_s, called=error.called),
    )


def _from_interrupted(error: StreamInterrupted) -> RpcFailure:
    metadata = {"cause": error.cause.value}
    if error.phase:
        metadata["phase"] = error.phase
    return RpcFailure(
        code="ABORTED",
        reason="STREAM_INTERRUPTED",
        message="The answer broke off after a part of it was delivered.",
        metadata=metadata,
        pushback_ms=NO_RETRY,
        usage=error.usage,
    )


def _from_expired(error: DeadlineExpired) -> RpcFailure:
    if error.limit_s is None:
        message, metadata = "The deadline of the call has passed.", {}
    else:
        message = f"The call took longer than this server's limit of {error.limit_s:g} s."
        metadata = {"limitSeconds": f"{error.limit_s:g}"}
    return RpcFailure(
        code="DEADLINE_EXCEEDED",
        reason="TIME_LIMIT_EXCEEDED",
        message=message,
        metadata=metadata,
        pushback_ms=NO_RETRY,
    )


def _sentence(error: ProviderError) -> str:
    if error.kind is ErrorKind.MODEL_MISSING:
        return _say_model_is_missing(error)
    fields = " and ".join(fields_of(error.lacks))
    return _template(error).format(
        fields=fields, provider=_name_of(error) or "unknown", model=error.model or "the model"
    )


def _template(error: ProviderError) -> str:
    rules = error.kind.rules
    if isinstance(error.cause, TlsTrouble):
        return error.cause.sentence
    if error.lacks:
        return LACKS
    return rules.policy_sentence if rules.policy_sentence and error.cause else rules.sentence


def _say_model_is_missing(error: ProviderError) -> str:
    """Return that a model is missing, what to do, and what is there; in this order it is cut."""
    name = f"the model {error.model}" if is_plain(error.model) else "the requested model"
    sentences = [f"No provider has {name}."]
    if error.pull_hint:
        setting = f"llm.providers.{_name_of(error)}.model"
        install = (
            f", or install it with: ollama pull {error.pull_hint}" if _is_pullable(error) else ""
        )
        sentences.append(f"The server's setting {setting} names it: change that{install}.")
    if there := join_names(error.present):
        sentences.append(f"There is: {there}.")
    return " ".join(sentences)


def _is_pullable(error: ProviderError) -> bool:
    """Return whether a pull would bring the model."""
    provider = error.provider
    return bool(error.pull_hint) and (provider is None or provider.kind is ProviderKind.OLLAMA)


def _name_of(error: ProviderError) -> str:
    return error.provider.name if error.provider else ""


def _metadata(error: ProviderError) -> dict[str, str]:
    facts = {
        "provider": _name_of(error),
        "phase": error.phase,
        "cause": error.cause or error.kind.rules.cause,
        "param": error.param or next(iter(fields_of(error.lacks)), ""),
    }
    if error.kind is ErrorKind.CONTEXT:
        facts = {
            "provider": facts["provider"],
            "contextLength": _count(error.context_length),
            "inputTokens": _count(error.input_tokens),
            "countMethod": "" if error.input_tokens is None else "REPORTED",
        }
    if error.kind is ErrorKind.MODEL_MISSING and _is_pullable(error):
        facts["pullable"] = "true"
    return {key: value for key, value in facts.items() if value}


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _bound(wait_s: float | None) -> float | None:
    if wait_s is None or math.isnan(wait_s):
        return None
    return min(max(0.0, wait_s), MAX_RETRY_S)


def _pushback_ms(code: str, wait_s: float | None, *, called: bool) -> int | None:
    if called:
        return NO_RETRY
    if code == "UNAVAILABLE" and wait_s is not None:
        return max(MIN_PUSHBACK_MS, round(wait_s * 1000))
    return None
