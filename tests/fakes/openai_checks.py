"""What OpenAI refuses of tools, formats and conversations with calls, and in which words.

Source: docs/facts/providers.md 1.2 and 1.8, and refusals as quoted in public issue trackers up to 2026-11.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.fakes.ollama_record import Json
from tests.fakes.openai_steps import Step, refuse

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_ID = 40


def refusal_of(asked: Json, *, is_openai: bool) -> Step | None:
    """Return how a request is refused; None where it is not.

    Args:
        asked: The body.
        is_openai: Whether the server is the vendor's own: it wants the word JSON beside the mode.
    """
    for message in _violations(asked, is_openai=is_openai):
        return refuse(400, message, type="invalid_request_error", param=None, code=None)
    return None


def _violations(asked: Json, *, is_openai: bool) -> Iterator[str]:
    messages = [one for one in _list(asked.get("messages")) if isinstance(one, dict)]
    yield from _of_turns(messages)
    yield from _of_refusals(messages, is_openai=is_openai)
    yield from _of_tools(asked)
    shape = asked.get("response_format")
    if isinstance(shape, dict):
        yield from _of_format(shape, messages, needs_word=is_openai)


def _of_turns(messages: Sequence[Json]) -> Iterator[str]:
    waiting: list[object] = []
    for number, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in waiting:
                yield (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding"
                    " message with 'tool_calls'."
                )
            waiting = [one for one in waiting if one != message.get("tool_call_id")]
            continue
        if waiting:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages responding"
                " to each 'tool_call_id'."
            )
        calls = _list(message.get("tool_calls"))
        if message.get("content") is None and not calls:
            yield f"Invalid value for 'content': expected a string, got null. (messages[{number}])"
        for call in calls:
            yield from _of_call(call)
            waiting.append(call["id"] if isinstance(call, dict) else None)


def _of_refusals(messages: Sequence[Json], *, is_openai: bool) -> Iterator[str]:
    """Yield what is wrong with refusals: others than the vendor know none of it."""
    for number, message in enumerate(messages):
        kinds = [
            part.get("type") if isinstance(part, dict) else None
            for part in _list(message.get("content"))
        ]
        if not is_openai and ("refusal" in message or "refusal" in kinds):
            yield f"Unknown name 'refusal' at 'messages[{number}]'"
        elif "refusal" in kinds and (len(kinds) > 1 or message.get("role") != "assistant"):
            yield f"Invalid value for 'content': expected exactly one refusal. (messages[{number}])"
        elif not isinstance(message.get("refusal", ""), str):
            yield f"Invalid type for 'refusal': expected a string. (messages[{number}])"


def _of_call(call: object) -> Iterator[str]:
    fields = call if isinstance(call, dict) else {}
    call_id, function = fields.get("id"), fields.get("function")
    if not isinstance(call_id, str) or not call_id or len(call_id) > _LONGEST_ID:
        yield "Invalid 'tool_calls[0].id': string too long. Expected a maximum length 40."
    if fields.get("type") != "function" or not isinstance(function, dict):
        yield "Missing required parameter: 'tool_calls[0].function'."
    elif not isinstance(function.get("arguments"), str):
        yield "Invalid type for 'tool_calls[0].function.arguments': expected a string."


def _of_tools(asked: Json) -> Iterator[str]:
    tools = _list(asked.get("tools"))
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not _NAME.fullmatch(str(function.get("name"))):
            yield "Invalid 'tools[0].function.name': string does not match pattern."
        elif not isinstance(function.get("parameters", {}), dict):
            yield "Invalid type for 'tools[0].function.parameters': expected an object."
    if "tools" in asked and not tools:
        yield "Invalid 'tools': empty array."
    for key in ("tool_choice", "parallel_tool_calls"):
        if key in asked and not tools:
            yield f"Invalid value for '{key}': '{key}' is only allowed when 'tools' are specified."


def _of_format(
    shape: Mapping[str, object], messages: Sequence[Json], *, needs_word: bool
) -> Iterator[str]:
    said = " ".join(str(one.get("content")) for one in messages).lower()
    schema = shape.get("json_schema")
    if shape.get("type") == "json_object":
        if needs_word and "json" not in said:
            yield (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of"
                " type 'json_object'."
            )
    elif not isinstance(schema, dict) or not _NAME.fullmatch(str(schema.get("name"))):
        yield "Missing required parameter: 'response_format.json_schema'."


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
