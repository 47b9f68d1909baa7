"""What a request asks for beyond text, as Anthropic takes it: tools, their choice, a format. Pure.

Source: docs/facts/providers.md 2.8.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.features import ChoiceMode, Features, ResponseFormat, Tool
from llmsvc_server.chat.parts import ToolCall
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.providers.anthropic.formats import shape_of
from llmsvc_server.providers.anthropic.profiles import has_formats
from llmsvc_server.providers.shared.fences import FORMAT_FIELD, not_enforced
from llmsvc_server.schemas.strict import fits_openai_strict

MAX_STRICT = 20
"""How many tools of a request may be strict."""

_ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Declaration(msgspec.Struct, omit_defaults=True, frozen=True):
    """A tool; the schema of its arguments as the caller wrote it."""

    name: str
    input_schema: msgspec.Raw
    description: str = ""
    strict: bool = False


class Choice(msgspec.Struct, omit_defaults=True, frozen=True):
    """How free the model is to call tools."""

    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Format(msgspec.Struct, frozen=True):
    schema: Mapping[str, Any] | msgspec.Raw
    type: str = "json_schema"


class OutputConfig(msgspec.Struct, frozen=True):
    """The shape of the answer."""

    format: _Format


class Extras(NamedTuple):
    """Keys of the body that only some requests have, and what of the request is not in them."""

    tools: Sequence[Declaration] = ()
    tool_choice: Choice | None = None
    output_config: OutputConfig | None = None
    adjustments: tuple[Adjustment, ...] = ()


NO_EXTRAS = Extras()


def strict_tools(request: ChatRequest) -> frozenset[str]:
    """Return the names of the tools that the server is to hold the model to.

    Only those whose calls are of no use else: a grammar takes time to make, and may be refused.
    """
    if request.is_plain or not has_formats(request.model):
        return frozenset()
    names = [
        one.name
        for one in request.features.offered
        if one.conformance_required and fits_openai_strict(one.parameters_json_schema)
    ]
    return frozenset(names[:MAX_STRICT])


def extras_of(request: ChatRequest, strict: frozenset[str] = frozenset()) -> Extras:
    """Return what a request's features come to.

    Calls in the history are refused where no tools are declared: then those are that were called,
    and may be called no more.

    Args:
        request: Has features, or calls in its history.
        strict: Names of the tools to hold the model to.
    """
    features = request.features
    config, adjustments = _shape(features.response_format)
    offered = [_declare(one, strict) for one in features.offered]
    if offered:
        return Extras(offered, _choice(features, len(offered)), config, adjustments)
    called = {
        part.name: None
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }
    if not called:
        return Extras(output_config=config, adjustments=adjustments)
    names = [Declaration(name, _ANY_OBJECT) for name in called]
    return Extras(names, Choice("none"), config, adjustments)


def _shape(wanted: ResponseFormat | None) -> tuple[OutputConfig | None, tuple[Adjustment, ...]]:
    if wanted is None or not wanted.json_schema:
        return None, ()
    shape = shape_of(wanted.json_schema)
    if wanted.is_told and not shape.is_taken:
        return None, ()
    told = () if shape.is_whole or wanted.is_told else (not_enforced(FORMAT_FIELD),)
    return OutputConfig(_Format(shape.schema)), told


def _declare(tool: Tool, strict: frozenset[str]) -> Declaration:
    schema = _object_schema(tool.parameters_json_schema)
    return Declaration(tool.name, schema, tool.description, strict=tool.name in strict)


def _choice(features: Features, count: int) -> Choice | None:
    single = features.choice.single_call
    if features.choice.mode is not ChoiceMode.REQUIRED:
        return Choice("auto", disable_parallel_tool_use=True) if single else None
    if count == 1:
        return Choice("tool", features.offered[0].name, disable_parallel_tool_use=single)
    return Choice("any", disable_parallel_tool_use=single)


def _object_schema(text: str) -> msgspec.Raw:
    """Return a schema that says by itself that it is an object's: the server wants the word there."""
    if not text:
        return _ANY_OBJECT
    fields = _fields.decode(text)
    if "type" in fields:
        return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode({"type": "object", **fields}))
