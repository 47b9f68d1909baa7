"""What the last line of an answer says of its size and its time, in our terms.

Anything may stand in these fields. Source: docs/facts/ollama.md 3.
"""

from llmsvc_server.chat.events import Timings
from llmsvc_server.chat.usage import Usage
from llmsvc_server.providers.ollama.wire import Line
from llmsvc_server.providers.shared.untyped import counts_of

_MAX_NS = 10**18


def usage_in(line: Line) -> Usage:
    """Return the tokens that a line counts; None where it counts none."""
    counts = (line.prompt_eval_count, line.eval_count, line.prompt_eval_cached_count)
    read, written, cached = counts_of(counts)
    return Usage(input_tokens=read, output_tokens=written, cached_input_tokens=cached)


def timings_in(line: Line) -> Timings:
    """Return the times that a line tells; None where it tells none."""
    spans = (line.load_duration, line.prompt_eval_duration, line.eval_duration)
    load, prompt, generation = counts_of(spans, _MAX_NS)
    return Timings(
        load_s=None if load is None else load / 1e9,
        prompt_s=None if prompt is None else prompt / 1e9,
        generation_s=None if generation is None else generation / 1e9,
    )
