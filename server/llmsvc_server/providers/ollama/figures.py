"""What the last line of an answer says of its size and its time, in our terms.

Anything may stand in these fields. Source: facts/ollama.md section 3.
"""

from llmsvc_server.chat.events import Timings
from llmsvc_server.chat.usage import Usage
from llmsvc_server.providers.ollama.wire import Line

_MOST_TOKENS = 2**31 - 1
_MOST_NS = 10**18


def usage_in(line: Line) -> Usage:
    """Return the tokens that a line counts; None where it counts none."""
    return Usage(
        input_tokens=_count(line.prompt_eval_count, _MOST_TOKENS),
        output_tokens=_count(line.eval_count, _MOST_TOKENS),
        cached_input_tokens=_count(line.prompt_eval_cached_count, _MOST_TOKENS),
    )


def timings_in(line: Line) -> Timings:
    """Return the times that a line tells; None where it tells none."""
    return Timings(
        load_s=_seconds(line.load_duration),
        prompt_s=_seconds(line.prompt_eval_duration),
        generation_s=_seconds(line.eval_duration),
    )


def _count(value: object, most: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None


def _seconds(nanoseconds: object) -> float | None:
    count = _count(nanoseconds, _MOST_NS)
    return None if count is None else count / 1e9
