"""Whether what a model wrote conforms to the schemas that the request names."""

import json
from functools import lru_cache

import jsonschema_rs

from llmsvc_server.chat.features import Features
from llmsvc_server.chat.output_check import OutputCheck, SchemaViolation
from llmsvc_server.chat.parts import Part, ToolCall, text_of
from llmsvc_server.chat.usage import FinishReason

_MAX_VIOLATIONS = 10
_CUT = frozenset({FinishReason.MAX_TOKENS, FinishReason.CONTEXT_LENGTH})


def is_json_object(text: str) -> bool:
    """Say whether a text is one JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def check_answer(
    features: Features, parts: tuple[Part, ...], finish_reason: FinishReason
) -> tuple[OutputCheck, ...]:
    """Return one check of each call whose function has a schema, else one of the text.

    Args:
        features: What the request asked for.
        parts: The whole answer.
        finish_reason: Why it ended: what was cut says so.
    """
    calls = [part for part in parts if isinstance(part, ToolCall)]
    is_cut = finish_reason in _CUT
    if calls:
        schemas = {tool.name: tool.parameters_json_schema for tool in features.tools}
        return tuple(
            OutputCheck(
                tool_call_id=call.id,
                violations=_violations(schemas[call.name], call.arguments_json, is_cut=is_cut),
            )
            for call in calls
            if schemas.get(call.name)
        )
    shape = features.response_format
    if shape is None:
        return ()
    return (OutputCheck(violations=_violations(shape.json_schema, text_of(parts), is_cut=is_cut)),)


def _violations(schema_text: str, text: str, *, is_cut: bool) -> tuple[SchemaViolation, ...]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return (SchemaViolation(pointer="", keyword="truncated" if is_cut else "json"),)
    if not schema_text:
        if isinstance(document, dict):
            return ()
        return (SchemaViolation(pointer="", keyword="type"),)
    errors = list(_compiled(schema_text).iter_errors(document))[:_MAX_VIOLATIONS]
    return tuple(
        SchemaViolation(
            pointer="".join(f"/{one}" for one in error.instance_path), keyword=error.kind.name
        )
        for error in errors
    )


@lru_cache(maxsize=128)
def _compiled(schema_text: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(schema_text), offline=True)
