"""What a request asks for beyond text, as chat completions take it: tools and formats. Pure.

Source: docs/facts/providers.md 1.1 and 1.8.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.features import ChoiceMode, Features, ResponseFormat, Tool
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.providers.openai.spelling import Spelling
from llmsvc_server.providers.shared.fences import fence_format, fence_parameters
from llmsvc_server.schemas.strict import fits_openai_strict

_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
_WORD = "json"
_RULE = "Answer with a JSON object."
"""For OpenAI and others, who take `json_object` only where a message has the word in it."""


class _Function(msgspec.Struct, omit_defaults=True, frozen=True):
    name: str
    description: str = ""
    parameters: Mapping[str, Any] | msgspec.Raw | None = None
    strict: bool | None = None


class Declaration(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    function: _Function
    type: str = "function"


class _Name(msgspec.Struct, frozen=True):
    name: str


class Choice(msgspec.Struct, frozen=True):
    """The one function that is to be called."""

    function: _Name
    type: str = "function"


class _Schema(msgspec.Struct, omit_defaults=True, frozen=True):
    name: str
    schema: Mapping[str, Any] | msgspec.Raw
    strict: bool | None = None


class Format(msgspec.Struct, omit_defaults=True, frozen=True):
    """The shape of the answer."""

    type: str
    json_schema: _Schema | None = None


class Extras(NamedTuple):
    """Keys of the body that only some requests have, and what of the request is not in them."""

    tools: Sequence[Declaration] = ()
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    rule: str = ""
    adjustments: tuple[Adjustment, ...] = ()


NO_EXTRAS = Extras()


def extras_of(request: ChatRequest, spelling: Spelling, *, is_local: bool) -> Extras:
    """Return what a request's features come to.

    Args:
        request: Has features.
        spelling: How the server wants them.
        is_local: Whether it is an engine, which gets no schema of a caller's as it is.
    """
    features = request.features
    tools, of_tools = _declare(features, spelling, is_local=is_local)
    wanted, of_format = _format(features.response_format, spelling, is_local=is_local)
    is_single = bool(tools) and features.choice.single_call and spelling.limits_calls
    needs_word = wanted is not None and wanted.json_schema is None and not is_local
    return Extras(
        tools=tools or (),
        tool_choice=_choice(features, spelling) if tools else None,
        parallel_tool_calls=False if is_single else None,
        response_format=wanted,
        rule=_RULE if needs_word and not _has_word(request) else "",
        adjustments=(*of_tools, *of_format),
    )


def _declare(
    features: Features, spelling: Spelling, *, is_local: bool
) -> tuple[Sequence[Declaration], tuple[Adjustment, ...]]:
    """Return the tools that may be called, and what of their schemas is left out.

    Where some are allowed, the others are not declared: only OpenAI knows another way.
    """
    if is_local:
        fenced, adjustments = fence_parameters(features)
        return [
            Declaration(_Function(tool.name, tool.description, parameters))
            for tool, parameters in fenced
        ], adjustments
    return [_declared(tool, spelling) for tool in features.offered], ()


def _declared(tool: Tool, spelling: Spelling) -> Declaration:
    text = tool.parameters_json_schema
    function = _Function(
        tool.name,
        tool.description,
        parameters=msgspec.Raw(text) if text else None,
        strict=_strict(text, spelling),
    )
    return Declaration(function)


def _choice(features: Features, spelling: Spelling) -> str | Choice | None:
    if features.choice.mode is not ChoiceMode.REQUIRED:
        return None  # the model's, as without a word
    if spelling.names_choice and len(features.offered) == 1:
        return Choice(_Name(features.offered[0].name))
    return "required"


def _format(
    shape: ResponseFormat | None, spelling: Spelling, *, is_local: bool
) -> tuple[Format | None, tuple[Adjustment, ...]]:
    if shape is None:
        return None, ()
    text = shape.json_schema
    if not text and spelling.has_object_mode:
        return Format("json_object"), ()
    schema: Mapping[str, Any] | msgspec.Raw = msgspec.Raw(text) if text else _ANY_OBJECT
    adjustments: tuple[Adjustment, ...] = ()
    if text and is_local:
        schema, adjustments = fence_format(text)
    strict = _strict(text, spelling)
    return Format("json_schema", _Schema(shape.name, schema, strict)), adjustments


def _strict(schema_text: str, spelling: Spelling) -> bool | None:
    return True if spelling.is_strict and schema_text and fits_openai_strict(schema_text) else None


def _has_word(request: ChatRequest) -> bool:
    return any(_WORD in one.text.lower() for one in request.messages)
