"""What metadata says of a chat: who answers, after what. ASCII only, as HTTP/2 headers are."""

from collections.abc import Iterator, Sequence
from string import punctuation
from typing import TypeVar
from urllib.parse import quote

from llmsvc_server.chat.route import Attempt, Route, Trail
from llmsvc_server.rpc.callinfo import REQUEST_ID_KEY, Call

ROUTE_KEY = "x-llmsvc-route"
MAX_ROUTE_BYTES = 1024
MAX_MODEL_BYTES = 64
_AS_IT_IS = "".join(sorted(set(punctuation) - set("%,;")))

Metadata = tuple[tuple[str, str], ...]
_Any = TypeVar("_Any")


def early_metadata(call: Call) -> Metadata:
    """Return the initial metadata of a call that nobody answers yet."""
    granted_ms = round((call.finish_by.at_s - call.began_s) * 1000)
    return ((REQUEST_ID_KEY, call.request_id), ("x-llmsvc-deadline-ms", str(granted_ms)))


def initial_metadata(call: Call, route: Route) -> Metadata:
    """Return the initial metadata of a call that `route` answers."""
    return (
        *early_metadata(call),
        ("x-llmsvc-provider", _ascii(route.provider.name)),
        ("x-llmsvc-model", _ascii(route.model)),
        ("x-llmsvc-locality", route.provider.locality.value),
        ("x-llmsvc-attempts", str(len(route.trail.attempts))),
    )


def trailing_metadata(call: Call) -> Metadata:
    """Return the trailing metadata of a call that was answered."""
    if call.route is None:
        return ((REQUEST_ID_KEY, call.request_id),)
    return ((REQUEST_ID_KEY, call.request_id), (ROUTE_KEY, compact_route(call.route.trail)))


def compact_route(trail: Trail) -> str:
    """Return the attempts as "provider/model;outcome;milliseconds", joined by commas.

    The outcome is OK or the reason; the time is left out where no request was made. At most
    1 KiB: attempts are dropped from the middle.
    """
    for kept in range(len(trail.attempts), 2, -1):
        text = _joined(without_middle(trail.attempts, kept))
        if len(text) <= MAX_ROUTE_BYTES:
            return text
    return _joined(without_middle(trail.attempts, 2))


def without_middle(attempts: Sequence[_Any], kept: int) -> tuple[_Any, ...]:
    """Return `kept` of the attempts, the first ones and the last ones."""
    if kept >= len(attempts):
        return tuple(attempts)
    last = kept // 2
    return (*attempts[: kept - last], *attempts[len(attempts) - last :])


def _joined(attempts: Sequence[Attempt]) -> str:
    return ",".join(";".join(_parts(one)) for one in attempts)


def _parts(attempt: Attempt) -> Iterator[str]:
    model = attempt.model.encode()[:MAX_MODEL_BYTES]
    yield f"{_ascii(attempt.provider.name)}/{_ascii(model)}"
    yield attempt.reason or attempt.code
    if attempt.elapsed_s is not None:
        yield str(round(attempt.elapsed_s * 1000))


def _ascii(text: str | bytes) -> str:
    return quote(text, safe=_AS_IT_IS)
