"""How servers want what they know in several spellings, and what their refusals say of it.

Whatever the spelling, the request means the same. The texts are data; no other module looks at them.

Source: refusals of the servers named, as quoted in their public issue trackers up to 2026-11.
"""

import dataclasses
import re

from llmsvc_server.chat.value import value


@value
class Spelling:
    """How one request is spelled.

    Attributes:
        names_choice: Whether the one function to be called is named; else it is the only one
            declared, and any call is required.
        limits_calls: Whether a single call is asked for. It is held by us in any case.
        is_strict: Whether the server is asked to keep to schemas that it can keep to.
        has_object_mode: Whether any JSON object is asked for by that word, else by a schema.
        has_short_ids: Whether ids of calls have nine letters and digits.
    """

    names_choice: bool
    limits_calls: bool
    is_strict: bool = False
    has_object_mode: bool = True
    has_short_ids: bool = False


_NO = r"(?:extra|unknown|unrecognized|unsupported|unexpected|not permitted|not supported)"
_CORRECTIONS = (
    # Mistral, and engines that serve its models.
    (
        re.compile(r"tool call id was .{1,300} but must be .{1,40}with a length of 9"),
        {"has_short_ids": True},
    ),
    # LM Studio.
    (
        re.compile(r"response_format\.type.{1,4}must be .{0,2}json_schema"),
        {"has_object_mode": False},
    ),
    (
        re.compile(r"invalid tool_choice type: .{0,2}object.{1,40}string values"),
        {"names_choice": False},
    ),
    # vLLM before 0.8.
    (re.compile(r"only named tools are supported"), {"names_choice": True}),
    # OpenAI, of schemas that it takes all the same where it need not keep to them.
    (re.compile(r"invalid schema for (?:response_format|function)"), {"is_strict": False}),
    # OpenAI's models that reason.
    (
        re.compile(rf"parallel_tool_calls.{{0,60}}{_NO}|{_NO}.{{0,60}}parallel_tool_calls"),
        {"limits_calls": False},
    ),
)


def respell(spelling: Spelling, text: str) -> Spelling | None:
    """Return the spelling that a refusal wants; None if it is content with this one.

    Args:
        spelling: How the refused request was spelled.
        text: The refusal's words, in lower case.
    """
    for pattern, wanted in _CORRECTIONS:
        if pattern.search(text):
            better = dataclasses.replace(spelling, **wanted)
            return better if better != spelling else None
    return None
