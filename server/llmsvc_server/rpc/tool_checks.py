"""Checks of what is asked for beyond text: tools, how they are chosen, and the shape of the answer.

What is not understood is refused: it may be a restriction.
"""

from collections.abc import Container, Iterator

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.rpc.message_checks import NAME, NAME_REMEDY
from llmsvc_server.rpc.wire_scan import TOO_OLD
from llmsvc_server.schemas.request_check import SchemasOfRequest

MAX_DESCRIPTION_BYTES = 16 * 1024
MAX_SCHEMA_BYTES = 32 * 1024
MAX_SCHEMAS_BYTES = 256 * 1024

KNOWN_MODES = frozenset(llm_pb2.ToolChoice.Mode.values())
MODE_NAMES = "MODE_AUTO, MODE_NONE or MODE_REQUIRED"
KNOWN_ACTIONS = frozenset(llm_pb2.UnsupportedFeatureAction.values())
ACTION_NAMES = "UNSUPPORTED_FEATURE_ACTION_FAIL, _EMULATE or _DEGRADE"


def check_features(
    request: llm_pb2.ChatRequest, unknown_inside: Container[str]
) -> Iterator[Violation]:
    """Yield what is wrong with tools, their choice and the format, in the order of the fields.

    Args:
        request: Looked at.
        unknown_inside: Paths of the messages in which something is that we do not know.
    """
    has_format = request.HasField("response_format")
    schemas = None  # those that are too long together would take their time
    if (request.tools or has_format) and _count_schema_bytes(request) <= MAX_SCHEMAS_BYTES:
        schemas = SchemasOfRequest()
    if request.tools:
        if schemas is None:
            remedy = f"send at most {MAX_SCHEMAS_BYTES} bytes of schemas in all"
            yield Violation("tools", Why.TOO_LONG, remedy)
        yield from _check_tools(request, unknown_inside, schemas)
    if request.HasField("tool_choice"):
        yield from _check_choice(request, unknown_inside)
    if has_format:
        yield from _check_format(request.response_format, unknown_inside, schemas)
    if request.unsupported_feature_action not in KNOWN_ACTIONS:
        yield Violation("unsupported_feature_action", Why.UNKNOWN, f"use {ACTION_NAMES}")


def count_declared_bytes(request: llm_pb2.ChatRequest) -> int:
    """Return how long all is that declares tools and the format, in UTF-8."""
    described = sum(len(tool.function.description.encode()) for tool in request.tools)
    return described + _count_schema_bytes(request)


def _count_schema_bytes(request: llm_pb2.ChatRequest) -> int:
    size_bytes = 0
    if request.HasField("response_format"):
        size_bytes = len(request.response_format.json_schema.schema_json.encode())
    for tool in request.tools:
        size_bytes += len(tool.function.parameters_json_schema.encode())
    return size_bytes


def _check_tools(
    request: llm_pb2.ChatRequest, unknown_inside: Container[str], schemas: SchemasOfRequest | None
) -> Iterator[Violation]:
    names: set[str] = set()
    for index, tool in enumerate(request.tools):
        path = f"tools[{index}]"
        if path in unknown_inside:
            yield Violation(path, Why.UNKNOWN, TOO_OLD)
        elif not tool.HasField("function"):
            yield Violation(path, Why.MISSING, "set function")
        else:
            function = tool.function
            yield from _check_function(f"{path}.function", function, unknown_inside, schemas)
            if function.name in names:
                remedy = "give each function a name of its own"
                yield Violation(f"{path}.function.name", Why.NOT_ALLOWED, remedy)
            names.add(function.name)


def _check_function(
    path: str,
    function: llm_pb2.FunctionTool,
    unknown_inside: Container[str],
    schemas: SchemasOfRequest | None,
) -> Iterator[Violation]:
    if path in unknown_inside:
        yield Violation(path, Why.UNKNOWN, TOO_OLD)
    if not NAME.fullmatch(function.name):
        yield Violation(f"{path}.name", Why.MALFORMED, NAME_REMEDY)
    if len(function.description.encode()) > MAX_DESCRIPTION_BYTES:
        remedy = f"use at most {MAX_DESCRIPTION_BYTES} bytes"
        yield Violation(f"{path}.description", Why.TOO_LONG, remedy)
    if text := function.parameters_json_schema:
        where = f"{path}.parameters_json_schema"
        yield from _check_schema(where, text, schemas, of_objects=True)


def _check_schema(
    path: str, text: str, schemas: SchemasOfRequest | None, *, of_objects: bool = False
) -> Iterator[Violation]:
    if len(text.encode()) > MAX_SCHEMA_BYTES:
        yield Violation(path, Why.TOO_LONG, f"use at most {MAX_SCHEMA_BYTES} bytes")
    elif schemas and (problem := schemas.find_problem(text, of_objects=of_objects)):
        yield Violation(path, problem.reason, problem.description)


def _check_choice(
    request: llm_pb2.ChatRequest, unknown_inside: Container[str]
) -> Iterator[Violation]:
    path, choice = "tool_choice", request.tool_choice
    if path in unknown_inside:
        yield Violation(path, Why.UNKNOWN, TOO_OLD)
    if choice.mode not in KNOWN_MODES:
        yield Violation(f"{path}.mode", Why.UNKNOWN, f"use {MODE_NAMES}")
    elif choice.mode == llm_pb2.ToolChoice.MODE_REQUIRED and not request.tools:
        yield Violation(f"{path}.mode", Why.NOT_ALLOWED, "send tools, or leave it out")
    names = {tool.function.name for tool in request.tools}
    for index, name in enumerate(choice.allowed_function_names):
        if name not in names:
            where = f"{path}.allowed_function_names[{index}]"
            yield Violation(where, Why.NOT_ALLOWED, "use the name of a function in tools")


def _check_format(
    shape: llm_pb2.ResponseFormat,
    unknown_inside: Container[str],
    schemas: SchemasOfRequest | None,
) -> Iterator[Violation]:
    path = "response_format"
    if path in unknown_inside:
        yield Violation(path, Why.UNKNOWN, TOO_OLD)
        return
    kind = shape.WhichOneof("format")
    if kind is None:
        yield Violation(path, Why.MISSING, "set json_object or json_schema")
    elif f"{path}.{kind}" in unknown_inside:
        yield Violation(f"{path}.{kind}", Why.UNKNOWN, TOO_OLD)
    if kind == "json_schema":
        yield from _check_json_schema(f"{path}.{kind}", shape.json_schema, schemas)


def _check_json_schema(
    path: str, shape: llm_pb2.JsonSchemaFormat, schemas: SchemasOfRequest | None
) -> Iterator[Violation]:
    if shape.name and not NAME.fullmatch(shape.name):
        yield Violation(f"{path}.name", Why.MALFORMED, NAME_REMEDY)
    if not shape.schema_json:
        yield Violation(f"{path}.schema_json", Why.MISSING, "send a JSON Schema as JSON text")
    else:
        yield from _check_schema(f"{path}.schema_json", shape.schema_json, schemas)
