"""Schemas as local engines get them: built anew, since some of callers' own end an engine."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.features import Features, Tool
from llmsvc_server.schemas.wall import Fenced, fenced

FORMAT_FIELD = "response_format.json_schema.schema_json"
"""Where a request has the schema of its answer."""

_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}


class FencedTool(NamedTuple):
    """A tool that may be called, and the schema that an engine gets of its arguments."""

    tool: Tool
    parameters: Mapping[str, Any]


def fence_parameters(
    features: Features,
) -> tuple[Sequence[FencedTool], tuple[Adjustment, ...]]:
    """Return the tools that may be called, in order, and what of their schemas is left out."""
    offered = {tool.name for tool in features.offered}
    tools: list[FencedTool] = []
    adjustments: list[Adjustment] = []
    for number, tool in enumerate(features.tools):
        if tool.name not in offered:
            continue
        parameters = _NO_ARGUMENTS
        if tool.parameters_json_schema:
            fence = fenced(tool.parameters_json_schema)
            parameters = _of_an_object(fence.schema)
            field = f"tools[{number}].function.parameters_json_schema"
            adjustments.extend(_adjustments(fence, field))
        tools.append(FencedTool(tool, parameters))
    return tools, tuple(adjustments)


def fence_format(schema_text: str) -> tuple[Mapping[str, Any], tuple[Adjustment, ...]]:
    """Return the schema of an answer, and what of it is left out."""
    fence = fenced(schema_text)
    return fence.schema, _adjustments(fence, FORMAT_FIELD)


def not_enforced(field: str) -> Adjustment:
    """Return what is told of a schema of which not all is enforced while the answer is written."""
    return Adjustment(
        field=field,
        action=Action.IGNORED,
        description=(
            "Not all keywords of the schema are enforced by the engine; the answer is checked "
            "afterwards."
        ),
    )


def _of_an_object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema that says by itself what arguments are: servers want the word there."""
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def _adjustments(fence: Fenced, field: str) -> tuple[Adjustment, ...]:
    return () if fence.is_whole else (not_enforced(field),)
