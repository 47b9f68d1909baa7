"""What an answer says of its size and its time, in our terms. Anything may stand in these fields.

Source: docs/facts/providers.md 1.5 and 3.2.
"""

from collections.abc import Mapping

from llmsvc_server.chat.events import Timings
from llmsvc_server.chat.usage import Usage
from llmsvc_server.providers.openai.chunks import Chunk
from llmsvc_server.providers.shared.untyped import count_of, fields_of

_MAX_MS = 1e9


def usage_in(chunk: Chunk) -> Usage | None:
    """Return the usage that a chunk carries, Groq's place for it included; None without one."""
    usage = fields_of(chunk.usage) or fields_of(fields_of(chunk.x_groq).get("usage"))
    return _usage(usage) if usage else None


def timings_in(chunk: Chunk) -> Timings | None:
    """Return the timings that a chunk of llama.cpp carries; None without any."""
    timings = fields_of(chunk.timings)
    if not timings:
        return None
    return Timings(
        prompt_s=_seconds(timings.get("prompt_ms")),
        generation_s=_seconds(timings.get("predicted_ms")),
    )


def _usage(usage: Mapping[str, object]) -> Usage:
    of_input = fields_of(usage.get("prompt_tokens_details"))
    of_output = fields_of(usage.get("completion_tokens_details"))
    input_tokens = count_of(usage.get("prompt_tokens"))
    output_tokens = count_of(usage.get("completion_tokens"))
    thinking_tokens = count_of(of_output.get("reasoning_tokens"))
    if None not in {input_tokens, output_tokens, thinking_tokens}:
        total = (input_tokens or 0) + (output_tokens or 0) + (thinking_tokens or 0)
        if total == count_of(usage.get("total_tokens")):  # Thinking is not in the output yet.
            output_tokens = (output_tokens or 0) + (thinking_tokens or 0)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=count_of(of_input.get("cached_tokens")),
        cache_write_input_tokens=count_of(of_input.get("cache_write_tokens")),
    )


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1e3 if 0 <= milliseconds <= _MAX_MS else None
