"""What a request asks for beyond text, as Ollama takes it: tools and the shape of the answer. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.features import Features, ResponseFormat
from llmsvc_server.providers.ollama.tool_calls import Tool, declare
from llmsvc_server.providers.shared.fences import fence_format

Format = Mapping[str, Any] | str


class Extras(NamedTuple):
    """Keys of the body that only some requests have, and what of the request is not in them."""

    tools: Sequence[Tool] | msgspec.UnsetType = msgspec.UNSET
    format: Format | msgspec.UnsetType = msgspec.UNSET
    adjustments: tuple[Adjustment, ...] = ()


NO_EXTRAS = Extras()


def extras_of(features: Features) -> Extras:
    """Return what a request's features come to.

    How free the model is to call tools has no key: whoever may call none is offered none.
    """
    tools, of_tools = declare(features)
    shape = features.response_format
    if shape is None:
        return Extras(tools or msgspec.UNSET, adjustments=of_tools)
    wanted, of_shape = _format(shape)
    return Extras(tools or msgspec.UNSET, wanted, (*of_tools, *of_shape))


def _format(shape: ResponseFormat) -> tuple[Format, tuple[Adjustment, ...]]:
    return fence_format(shape.json_schema) if shape.json_schema else ("json", ())
