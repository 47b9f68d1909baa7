"""What a model can't do, told in its prompt and read back from what it writes. Pure.

Tools: they are declared in a system message, and the answer is constrained, as far as the provider
can, to "these calls, or an answer" (docs/facts/ollama.md 12: a union of objects told apart by a
constant is kept to). A format: it is asked for in a system message. Both are checked in any case.
"""

import json
from dataclasses import replace
from typing import TypeAlias

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.features import (
    NO_FEATURES,
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
)
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.chat.value import value
from llmsvc_server.routing.call_history import TOLD, tell_calls
from llmsvc_server.routing.emulated_answer import ACTION, ANSWER, CALLS, TO_ANSWER, TO_CALL
from llmsvc_server.routing.fit import adjustments_at, fields_of
from llmsvc_server.schemas.wall import fenced

Schema: TypeAlias = dict[str, object]

_PREFERRED = (Capability.JSON_SCHEMA, Capability.JSON_OBJECT)
FORMATS = frozenset(_PREFERRED)
"""What an answer may be held to."""

_IMITATED = {
    "tools": "The model was told of the tools in its prompt; what it wrote was read as calls.",
    "tool_choice": "The model was told in its prompt to call a tool.",
    "response_format": "The model was told of the format in its prompt; its answer is checked.",
}

_AN_OBJECT: Schema = {"type": "object"}
_TELLS_TOOLS = (
    "You can use these tools, one JSON object a line:\n{tools}\n"
    "Reply with one JSON object and nothing else.\n"
    f'To use tools: {{{{"{ACTION}": "{TO_CALL}", "{CALLS}": '
    '[{{"name": "...", "arguments": {{...}}}}]}}\n'
    "{otherwise}"
)
_TELLS_ANSWER = f'To answer: {{{{"{ACTION}": "{TO_ANSWER}", "{ANSWER}": {{value}}}}}}'
_MUST_CALL = "Use a tool now: no answer is taken."
_ONE_CALL = "\nUse one tool at a time."
_TELLS_OBJECT = "Reply with one JSON object and nothing else: no explanation, no code fence."
_TELLS_SCHEMA = "\nIt conforms to this JSON Schema: {schema}"


@value
class Emulation:
    """A request as a model gets it that can't do all of it, and what was imitated.

    `reads_tools` says that the answer is to be read by `read_emulated`.
    """

    request: ChatRequest
    adjustments: tuple[Adjustment, ...]
    reads_tools: bool


def emulate(
    request: ChatRequest, missing: frozenset[Capability], lacks: frozenset[Capability]
) -> Emulation:
    """Return a request without what is missing, which its prompt tells instead.

    Args:
        request: As the caller wants it.
        missing: What the model can't do of all that, together.
        lacks: What it can't do of formats, where nothing else is asked for.
    """
    held_to = next((one for one in _PREFERRED if one not in lacks), None)
    asked, fields = request, fields_of(missing)
    if request.features.offered:
        asked = emulate_tools(request, held_to)
        fields = ["tools", *(one for one in fields if one != "tools")]
    else:
        if "response_format" in fields:
            asked = emulate_format(request, None if held_to is Capability.JSON_SCHEMA else held_to)
        if TOLD.field in fields:
            asked = asked.revise(tell_calls(asked.messages), asked.features)
    return Emulation(
        request=asked,
        adjustments=adjustments_at(fields, Action.EMULATED, _IMITATED),
        reads_tools=bool(request.features.offered),
    )


def emulate_tools(request: ChatRequest, held_to: Capability | None) -> ChatRequest:
    """Return a request for the same without tools, whose answer `EmulatedAnswer` reads.

    Args:
        request: Offers tools, and may ask for a format.
        held_to: What the provider can hold an answer to: JSON_SCHEMA, JSON_OBJECT or nothing.
    """
    features = request.features
    asked = NO_FEATURES
    if held_to is not None:
        is_union = held_to is Capability.JSON_SCHEMA
        union = json.dumps(_union(features), ensure_ascii=False) if is_union else ""
        told = ResponseFormat(name="reply", json_schema=union, is_told=True)
        asked = Features(response_format=told)
    return _instruct(request, tell_calls(request.messages), asked, _tell_tools(features))


def emulate_format(request: ChatRequest, held_to: Capability | None) -> ChatRequest:
    """Return a request for the same whose format is asked for in a system message.

    Args:
        request: Asks for a format, and offers no tools.
        held_to: JSON_OBJECT where the provider can hold an answer to that, else None.
    """
    shape = request.features.response_format
    schema = "" if shape is None else shape.json_schema
    told = _TELLS_OBJECT + (_TELLS_SCHEMA.format(schema=schema) if schema else "")
    half = ResponseFormat() if held_to is Capability.JSON_OBJECT else None
    asked = replace(request.features, response_format=half)
    return _instruct(request, request.messages, asked, told)


def _instruct(
    request: ChatRequest, messages: tuple[Message, ...], features: Features, told: str
) -> ChatRequest:
    """Return a request with one more system message, after the caller's own."""
    at = sum(message.role is Role.SYSTEM for message in messages)
    one_more = Message(role=Role.SYSTEM, parts=(told,))
    return request.revise((*messages[:at], one_more, *messages[at:]), features)


def _tell_tools(features: Features) -> str:
    shape, choice = features.response_format, features.choice
    value = '"..."'
    if shape is not None:
        value = f"(JSON that conforms to {shape.json_schema})" if shape.json_schema else "{...}"
    otherwise = (
        _MUST_CALL if choice.mode is ChoiceMode.REQUIRED else _TELLS_ANSWER.format(value=value)
    )
    tools = "\n".join(map(_tell_tool, features.offered))
    told = _TELLS_TOOLS.format(tools=tools, otherwise=otherwise)
    return told + _ONE_CALL if choice.single_call else told


def _tell_tool(tool: Tool) -> str:
    told = json.dumps({"name": tool.name, "description": tool.description}, ensure_ascii=False)
    parameters = tool.parameters_json_schema or "{}"
    return f'{told[:-1]}, "parameters": {parameters}}}'


def _union(features: Features) -> Schema:
    """Return the schema of "these calls, or an answer"."""
    calls = [
        _object({"name": {"const": tool.name}, "arguments": _arguments(tool)})
        for tool in features.offered
    ]
    several: Schema = {"type": "array", "items": {"anyOf": calls}, "minItems": 1}
    if features.choice.single_call:
        several["maxItems"] = 1
    forms = [_object({ACTION: {"const": TO_CALL}, CALLS: several})]
    if features.choice.mode is not ChoiceMode.REQUIRED:
        answer = _answer(features.response_format)
        forms.append(_object({ACTION: {"const": TO_ANSWER}, ANSWER: answer}))
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _arguments(tool: Tool) -> Schema:
    """Return what engines are given of a tool's parameters. It has no references: it fits anywhere."""
    schema = tool.parameters_json_schema
    return fenced(schema).schema if schema else _object({})


def _answer(shape: ResponseFormat | None) -> Schema:
    if shape is None:
        return {"type": "string"}
    return fenced(shape.json_schema).schema if shape.json_schema else _AN_OBJECT
