"""What a request asks for beyond text, and what of that a model can do."""

import dataclasses
from enum import StrEnum

from llmsvc_server.chat.value import value


class Capability(StrEnum):
    """What a model, or the way to it, can do besides writing text."""

    TOOLS = "tools"
    CALL_HISTORY = "earlier tool calls"
    FORCED_CHOICE = "forced tool choice"
    JSON_OBJECT = "JSON objects"
    JSON_SCHEMA = "JSON of a schema"


@value
class Tool:
    """A function that the caller can run.

    `parameters_json_schema` is the caller's own text, "" where the function takes no arguments.
    """

    name: str
    description: str = dataclasses.field(default="", repr=False)
    parameters_json_schema: str = dataclasses.field(default="", repr=False)
    conformance_required: bool = False


class ChoiceMode(StrEnum):
    """How free a model is to call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@value
class ToolChoice:
    """Rules for tool use. No `allowed` names allow every tool."""

    mode: ChoiceMode = ChoiceMode.AUTO
    allowed: tuple[str, ...] = ()
    single_call: bool = False


@value
class ResponseFormat:
    """JSON: any object where `json_schema` is "", else what conforms to that text of a schema.

    `is_told` says that the prompt asks for the same: a provider that can't hold an answer to just
    this schema does without.
    """

    name: str = "response"
    json_schema: str = dataclasses.field(default="", repr=False)
    conformance_required: bool = False
    is_told: bool = False


class UnsupportedAction(StrEnum):
    """What to do where a target lacks something that the request needs."""

    FAIL = "fail"
    EMULATE = "emulate"
    DEGRADE = "degrade"


FREE_CHOICE = ToolChoice()


@value
class Features:
    """What one request asks for beyond text."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = FREE_CHOICE
    response_format: ResponseFormat | None = None
    unsupported: UnsupportedAction = UnsupportedAction.FAIL

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools that may be called: none under NONE, only the allowed ones where some are named."""
        if self.choice.mode is ChoiceMode.NONE:
            return ()
        allowed = self.choice.allowed
        return tuple(one for one in self.tools if one.name in allowed) if allowed else self.tools

    @property
    def has_schema(self) -> bool:
        """Whether a schema constrains what a model writes: its answer, or a tool's arguments."""
        if self.response_format is not None:
            return True
        return any(tool.parameters_json_schema for tool in self.offered)

    @property
    def text_length(self) -> int:
        """Characters of what declares the tools: a model reads that too.

        Of a format it reads nothing where its decoding is held to it.
        """
        length = 0
        for tool in self.offered:
            length += len(tool.name) + len(tool.description) + len(tool.parameters_json_schema)
        return length


NO_FEATURES = Features()
"""What a request of texts alone has: the same object in each, so that `is` tells them."""
