"""What a request needs of a model besides text, and what is left of it where that is not there.

Pure. Rules: docs/failover.md 1.
"""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.features import FREE_CHOICE, Capability, ChoiceMode
from llmsvc_server.chat.request import ChatRequest, Role
from llmsvc_server.routing.call_history import TOLD, tell_calls

NOTHING: frozenset[Capability] = frozenset()

_FIELDS = {
    Capability.TOOLS: "tools",
    Capability.CALL_HISTORY: TOLD.field,
    Capability.FORCED_CHOICE: "tool_choice",
    Capability.JSON_OBJECT: "response_format",
    Capability.JSON_SCHEMA: "response_format",
}
_NAME = re.compile("[a-z_]+")
_REFUSED_WITH = {
    "tools": frozenset({Capability.TOOLS, Capability.FORCED_CHOICE, Capability.CALL_HISTORY}),
    "tool_choice": frozenset({Capability.FORCED_CHOICE}),
    "response_format": frozenset({Capability.JSON_OBJECT, Capability.JSON_SCHEMA}),
}
_LEFT_OUT = {
    "tools": "The model can't call tools; it was asked without them.",
    "tool_choice": "The model can't be made to call a tool; it was left to it.",
    "response_format": "The model can't be held to a format; its answer is only checked.",
}


def needs_of(request: ChatRequest) -> frozenset[Capability]:
    """Return what a model must be able to do for all of a request that is not plain.

    Tools that may not be called need nothing.
    """
    features = request.features
    needs: list[Capability] = []
    if any(message.role is Role.TOOL for message in request.messages):
        needs.append(Capability.CALL_HISTORY)
    if features.offered:
        needs.append(Capability.TOOLS)
        if features.choice.mode is ChoiceMode.REQUIRED:
            needs.append(Capability.FORCED_CHOICE)
    if (shape := features.response_format) is not None:
        needs.append(Capability.JSON_SCHEMA if shape.json_schema else Capability.JSON_OBJECT)
    return frozenset(needs)


def lacking(field: str, needs: Collection[Capability]) -> frozenset[Capability]:
    """Return what of `needs` a model lacks that refused a request over one of its fields.

    Some servers speak of the choice where nothing but tools is meant.
    """
    name = _NAME.match(field)
    about = name.group() if name else ""
    if about == "tool_choice" and Capability.FORCED_CHOICE not in needs:
        about = "tools"
    return _REFUSED_WITH.get(about, NOTHING).intersection(needs)


def fields_of(missing: Collection[Capability]) -> list[str]:
    """Return the request's fields that ask for what is missing, each once, in a fixed order."""
    return list(dict.fromkeys(name for one, name in _FIELDS.items() if one in missing))


def adjustments_at(
    fields: Iterable[str], action: Action, sentences: Mapping[str, str]
) -> tuple[Adjustment, ...]:
    """Return what was done at each field; earlier calls are told as texts, whatever the others get."""
    return tuple(
        TOLD
        if one == TOLD.field
        else Adjustment(field=one, action=action, description=sentences[one])
        for one in fields
    )


def degrade(
    request: ChatRequest, missing: Collection[Capability]
) -> tuple[ChatRequest, tuple[Adjustment, ...]]:
    """Return a request without what is missing, and what was left out of it.

    Without tools nobody asks how they are chosen: that is one adjustment. Earlier calls are told as
    texts: nobody could answer without them.
    """
    fields = fields_of(missing)
    features, messages = request.features, request.messages
    if TOLD.field in fields:
        messages = tell_calls(messages)
    if "tools" in fields:
        features = dataclasses.replace(features, tools=(), choice=FREE_CHOICE)
        fields = [one for one in fields if one != "tool_choice"]
    elif "tool_choice" in fields:
        choice = dataclasses.replace(features.choice, mode=ChoiceMode.AUTO)
        features = dataclasses.replace(features, choice=choice)
    if "response_format" in fields:
        features = dataclasses.replace(features, response_format=None)
    adjustments = adjustments_at(fields, Action.IGNORED, _LEFT_OUT)
    return request.revise(messages, features), adjustments
