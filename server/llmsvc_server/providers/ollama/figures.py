"""What the last line of an answer says of its size and its time, in our terms.

Anything may stand in these fields. Source: docs/facts/ollama.md 3.
"""

from llmsvc_server.chat.events import Timings
from llmsvc_server.chat.usage import Usage
from llmsvc_server.providers.ollama.wire import Line
from llmsvc_server.providers.shared.untyped import count_of

_MAX_NS = 10**18


def usage_in(line: Line) -> Usage:
    """Return the tokens that a line counts; None where it counts none."""
    return Usage(
        input_tokens=count_of(line.prompt_eval_count),
        output_tokens=count_of(line.eval_count),
        cached_input_tokens=count_of(line.prompt_eval_cached_count),
    )


def timings_in(line: Line) -> Timings:
    """Return the times that a line tells; None where it tells none."""
    return Timings(
        load_s=_seconds(line.load_duration),
        prompt_s=_seconds(line.prompt_eval_duration),
        generation_s=_seconds(line.eval_duration),
    )


def _seconds(nanoseconds: object) -> float | None:
    count = count_of(nanoseconds, _MAX_NS)
    return None if count is None else count / 1e9
