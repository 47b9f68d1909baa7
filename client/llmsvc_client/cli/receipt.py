"""The receipt of a call, for people: what was tried, what left the network, where the time went."""

from typing import Final

from llmsvc_client.answers import Attempt, Progress, Route, Timings, Usage
from llmsvc_client.cli.render import describe_check
from llmsvc_client.errors import LlmsvcError, NonconformingError, StreamInterruptedError
from llmsvc_client.reply import ChatReply
from llmsvc_client.types import CountMethod, Locality, Phase

_WAITS: Final = {
    Phase.QUEUED: "waiting for a place at the server",
    Phase.LOADING_MODEL: "the model is being loaded",
    Phase.WAITING_FOR_PROVIDER: "waiting for the first word",
    Phase.GENERATING: "the answer goes on",
}


def warn_of_sent_content(reply: ChatReply) -> list[str]:
    """Return a warning if the content left the network for a target that did not answer."""
    tried = [
        _format_target(each.provider, each.model)
        for each in reply.route.attempts[:-1]
        if _has_left(each)
    ]
    names = ", ".join(dict.fromkeys(tried))
    return [f"the content was also sent to {names}, which did not answer"] if tried else []


def receipt_of(reply: ChatReply) -> list[str]:
    """Return the lines of an answer's receipt."""
    return [
        *_format_attempts(reply.route),
        _format_tokens(reply.usage),
        _format_times(reply.timings),
        *(f"check: {describe_check(each, reply)}" for each in reply.output_checks),
    ]


def receipt_of_failure(error: LlmsvcError) -> list[str]:
    """Return the lines of a failure's receipt: none if the server said nothing."""
    lines = [] if error.route is None else _format_attempts(error.route)
    if isinstance(error, NonconformingError | StreamInterruptedError) and error.usage is not None:
        lines.append(_format_tokens(error.usage))
    return lines


def describe_progress(progress: Progress) -> str:
    """Return the line for a sign of life."""
    line = _WAITS.get(progress.phase, "still working")
    if progress.target is not None:
        line += f", {_format_target(progress.target.provider, progress.target.model)}"
    return line if progress.elapsed_s is None else f"{line}, {progress.elapsed_s:.0f} s"


def _format_attempts(route: Route) -> list[str]:
    lines = [f"attempt {n}: {_format_attempt(each)}" for n, each in enumerate(route.attempts, 1)]
    return [*lines, f"privacy: {route.privacy.value}"]


def _format_attempt(attempt: Attempt) -> str:
    failure = f"{attempt.code} {attempt.reason}".strip()
    if attempt.code == "OK":
        outcome = "answered"
    elif attempt.elapsed_s is None:
        outcome = f"skipped, {failure}"
    else:
        outcome = f"failed, {failure}"
    facts = [outcome]
    if attempt.elapsed_s is not None:
        facts.append(_format_ms(attempt.elapsed_s))
    facts.append("content sent" if attempt.content_sent else "no content sent")
    where = f"{_format_target(attempt.provider, attempt.model)} ({attempt.locality.value})"
    return f"{where}: {', '.join(facts)}"


def _has_left(attempt: Attempt) -> bool:
    return attempt.content_sent and attempt.locality is not Locality.LOCAL


def _format_target(provider: str, model: str) -> str:
    return "/".join(name for name in (provider, model) if name)


def _format_tokens(usage: Usage) -> str:
    parts = {
        "from the cache": usage.cached_input_tokens,
        "into the cache": usage.cache_write_input_tokens,
    }
    cached = [f"{tokens} {what}" for what, tokens in parts.items() if tokens is not None]
    read = _format_count(usage.input_tokens, "read", usage.input_method, cached)
    return (
        f"tokens: {read}, {_format_count(usage.output_tokens, 'written', usage.output_method, [])}"
    )


def _format_count(tokens: int | None, what: str, method: CountMethod, parts: list[str]) -> str:
    if tokens is None:
        return f"unknown number {what}"
    facts = [*parts, *([] if method is CountMethod.UNKNOWN else [method.value])]
    return f"{tokens} {what}" + (f" ({', '.join(facts)})" if facts else "")


def _format_times(timings: Timings) -> str:
    spans = {
        "in all": timings.total_s,
        "queued": timings.queue_s,
        "to the first token": timings.first_token_s,
        "loading the model": timings.model_load_s,
        "reading the prompt": timings.prompt_s,
        "generating": timings.generation_s,
    }
    known = [f"{_format_ms(span_s)} {what}" for what, span_s in spans.items() if span_s is not None]
    return f"time: {', '.join(known) or 'unknown'}"


def _format_ms(span_s: float) -> str:
    return f"{span_s * 1000:.0f} ms"
