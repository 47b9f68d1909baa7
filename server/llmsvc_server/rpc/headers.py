"""What metadata says of a chat: who answers, after what. ASCII only, as HTTP/2 headers are."""

from collections.abc import Sequence
from functools import lru_cache
from string import punctuation
from typing import TypeVar
from urllib.parse import quote

from llmsvc_server.chat.route import Attempt, Route, Trail
from llmsvc_server.rpc.callinfo import REQUEST_ID_KEY, Call

ROUTE_KEY = "x-llmsvc-route"
MAX_ROUTE_BYTES = 1024
MIN_ATTEMPTS = 2
"""The first and the last one: they are short enough."""

MAX_MODEL_BYTES = 64
REMEMBERED_NAMES = 256
_AS_IT_IS = "".join(sorted(set(punctuation) - set("%,;")))

Metadata = tuple[tuple[str, str], ...]
_Any = TypeVar("_Any")


def initial_metadata(call: Call, route: Route | None) -> Metadata:
    """Return the initial metadata of a stream, at its commit point: `route` answers.

    While nobody answers yet, and `route` is None, what is known of the call.
    """
    granted_ms = round((call.finish_by.at_s - call.began_s) * 1000)
    of_call = ((REQUEST_ID_KEY, call.request_id), ("x-llmsvc-deadline-ms", str(granted_ms)))
    if route is None:
        return of_call
    return (
        *of_call,
        ("x-llmsvc-provider", _ascii(route.provider.name)),
        ("x-llmsvc-model", _ascii(route.model)),
        ("x-llmsvc-locality", route.provider.locality),
        ("x-llmsvc-attempts", str(len(route.trail.attempts))),
    )


def trailing_metadata(call: Call) -> Metadata:
    """Return the trailing metadata of a call that was answered.

    What a stream said at its commit point, a whole answer says here: all of it leaves at once, and
    initial metadata would cost grpc.aio a batch of its own (docs/facts/hot-path.md 4).
    """
    route = call.receipt.route
    if route is None:
        return ((REQUEST_ID_KEY, call.request_id),)
    tried = (ROUTE_KEY, compact_route(route.trail))
    if call.committed:
        return ((REQUEST_ID_KEY, call.request_id), tried)
    return (*initial_metadata(call, route), tried)


def compact_route(trail: Trail) -> str:
    """Return the attempts as "provider/model;outcome;milliseconds", joined by commas.

    The outcome is OK or the reason; the time is left out where no request was made. At most
    1 KiB: attempts are dropped from the middle.
    """
    told = tuple(map(_format, trail.attempts))
    while len(text := ",".join(told)) > MAX_ROUTE_BYTES and len(told) > MIN_ATTEMPTS:
        told = without_middle(told, len(told) - 1)
    return text


def without_middle(attempts: Sequence[_Any], kept: int) -> tuple[_Any, ...]:
    """Return `kept` of the attempts, the first ones and the last ones."""
    if kept >= len(attempts):
        return tuple(attempts)
    last = kept // 2
    return (*attempts[: kept - last], *attempts[len(attempts) - last :])


def _format(attempt: Attempt) -> str:
    model = attempt.model.encode()[:MAX_MODEL_BYTES]
    text = f"{_ascii(attempt.provider.name)}/{_ascii(model)};{attempt.reason or attempt.code}"
    return text if attempt.elapsed_s is None else f"{text};{attempt.elapsed_s * 1000:.0f}"


@lru_cache(maxsize=REMEMBERED_NAMES)
def _ascii(text: str | bytes) -> str:
    return quote(text, safe=_AS_IT_IS)
