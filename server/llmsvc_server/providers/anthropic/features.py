"""What a request asks for beyond text, as Anthropic takes it: tools, their choice, a format. Pure.

Source: docs/facts/providers.md 2.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from llmsvc_server.chat.features import ChoiceMode, Features
from llmsvc_server.chat.parts import ToolCall
from llmsvc_server.chat.request import ChatRequest

_ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Declaration(msgspec.Struct, omit_defaults=True, frozen=True):
    """A tool; the schema of its arguments as the caller wrote it."""

    name: str
    input_schema: msgspec.Raw
    description: str = ""


class Choice(msgspec.Struct, omit_defaults=True, frozen=True):
    """How free the model is to call tools."""

    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Format(msgspec.Struct, frozen=True):
    schema: msgspec.Raw
    type: str = "json_schema"


class OutputConfig(msgspec.Struct, frozen=True):
    """The shape of the answer."""

    format: _Format


class Extras(NamedTuple):
    """Keys of the body that only some requests have."""

    tools: Sequence[Declaration] = ()
    tool_choice: Choice | None = None
    output_config: OutputConfig | None = None


NO_EXTRAS = Extras()


def extras_of(request: ChatRequest) -> Extras:
    """Return what a request's features come to.

    Calls in the history are refused where no tools are declared: then those are that were called,
    and may be called no more.
    """
    features = request.features
    offered = [
        Declaration(one.name, _object_schema(one.parameters_json_schema), one.description)
        for one in features.offered
    ]
    shape = features.response_format
    config = None
    if shape is not None and shape.json_schema:
        config = OutputConfig(_Format(msgspec.Raw(shape.json_schema.encode())))
    if offered:
        return Extras(offered, _choice(features, len(offered)), config)
    called = {
        part.name: None
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }
    if not called:
        return Extras(output_config=config)
    names = [Declaration(name, _ANY_OBJECT) for name in called]
    return Extras(names, Choice("none"), config)


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
