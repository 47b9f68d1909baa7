"""What goes beyond text: tools and the calls of them, shapes of answers, and checks of both."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from llmsvc_client.json_text import read_json

Schema: TypeAlias = str | Mapping[str, Any]
"""A JSON Schema: its text, or the object that it is."""


class Unsupported(StrEnum):
    """What to do where a model lacks tools, a forced choice or the response format.

    FAIL: ask the next one, if there is one. EMULATE: imitate it by prompting or by constrained
    output. DEGRADE: leave it out. The latter two are told in `reply.adjustments`.
    """

    FAIL = "fail"
    EMULATE = "emulate"
    DEGRADE = "degrade"


class ToolMode(StrEnum):
    """How free a model is to call tools. REQUIRED: at least one call. NONE: no calls."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller can run.

    Attributes:
        name: 1 to 64 of `[a-zA-Z0-9_-]`, unique in the request.
        parameters: JSON Schema of the arguments object. None: no arguments.
        description: What it does and when to use it, for the model.
        conformance_required: Whether a call whose arguments do not conform fails the chat.
    """

    name: str
    parameters: Schema | None = dataclasses.field(default=None, repr=False)
    description: str = dataclasses.field(default="", repr=False)
    conformance_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Rules for tool use.

    Attributes:
        mode: How free the model is.
        allowed: The only functions that may be called. Empty: all.
        single_call: Whether further calls than one a turn are dropped.
    """

    mode: ToolMode = ToolMode.AUTO
    allowed: Sequence[str] = ()
    single_call: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The shape of the answer: JSON.

    Attributes:
        schema: What it conforms to. None: any JSON object.
        name: Of the schema, for the provider; 1 to 64 of `[a-zA-Z0-9_-]`, or empty.
        conformance_required: Whether an answer that does not conform fails the chat.
    """

    schema: Schema | None = dataclasses.field(default=None, repr=False)
    name: str = ""
    conformance_required: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for.

    Attributes:
        id: To be repeated in the result.
        name: The function to run.
        arguments_json: The text of a JSON object. A model wrote it. In no repr.
    """

    id: str
    name: str
    arguments_json: str = dataclasses.field(default="{}", repr=False)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments as Python values.

        Raises:
            ValueError: They are no JSON object. Servers send none such.
        """
        arguments = read_json(self.arguments_json)
        if not isinstance(arguments, dict):
            raise ValueError("the arguments of a call are not a JSON object")  # noqa: TRY004  of a text
        return arguments


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call.

    Attributes:
        tool_call_id: Of the call.
        content: As text or JSON text. In no repr.
        failed: Whether the tool failed, and `content` says why.
    """

    tool_call_id: str
    content: str = dataclasses.field(repr=False)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """One place that does not conform.

    Attributes:
        pointer: JSON Pointer into what the model wrote. Empty: all of it. In no repr.
        keyword: The schema's; `json` where the text is no JSON, `truncated` where it was cut,
            `unchecked` where it is too large to be checked.
    """

    pointer: str = dataclasses.field(repr=False)
    keyword: str


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """The server's check of what a model wrote against a schema of the request.

    Attributes:
        tool_call_id: The call whose arguments were checked. Empty: the text of the answer.
        conforming: Whether it conforms.
        violations: Where it does not, at most 10 places.
    """

    tool_call_id: str
    conforming: bool
    violations: tuple[SchemaViolation, ...] = ()
