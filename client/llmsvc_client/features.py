"""Tools, choices and formats to the contract's request. Pure."""

import json

from llmsvc.v1 import llm_pb2
from llmsvc_client.naming import naming, request_error
from llmsvc_client.options import ChatOptions
from llmsvc_client.tools import ResponseFormat, Schema, Tool, ToolChoice, ToolMode, Unsupported

_MODES = {
    ToolMode.AUTO: llm_pb2.ToolChoice.MODE_AUTO,
    ToolMode.NONE: llm_pb2.ToolChoice.MODE_NONE,
    ToolMode.REQUIRED: llm_pb2.ToolChoice.MODE_REQUIRED,
}
_ACTIONS = {
    Unsupported.FAIL: llm_pb2.UNSUPPORTED_FEATURE_ACTION_FAIL,
    Unsupported.EMULATE: llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE,
    Unsupported.DEGRADE: llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE,
}


def add_features(request: llm_pb2.ChatRequest, options: ChatOptions) -> None:
    """Say what is asked for beyond text, where anything is.

    Raises:
        InvalidRequestError: A value does not go into its field.
        TypeError: An option holds something other than it takes.
    """
    for index, tool in enumerate(options.get("tools", ())):
        _add_tool(request, tool, index)
    choice = options.get("tool_choice")
    if choice is not None:
        _add_choice(request.tool_choice, choice)
    shape = options.get("response_format")
    if shape is not None:
        _add_format(request.response_format, shape)
    action = options.get("on_unsupported")
    if action is not None:
        if action not in _ACTIONS:
            actions = ", ".join(_ACTIONS)
            raise request_error("unsupported_feature_action", "UNKNOWN", f"One of {actions}.")
        request.unsupported_feature_action = _ACTIONS[action]


def _add_tool(request: llm_pb2.ChatRequest, tool: object, index: int) -> None:
    if not isinstance(tool, Tool):
        found = type(tool).__name__
        raise TypeError(f"tools[{index}] is a {found}, not a Tool: write Tool(name, parameters)")
    path, function = f"tools[{index}].function", request.tools.add().function
    with naming(f"{path}.name"):
        function.name = tool.name
    with naming(f"{path}.description"):
        function.description = tool.description
    if tool.parameters is not None:
        with naming(f"{path}.parameters_json_schema"):
            function.parameters_json_schema = _to_text(tool.parameters)
    with naming(f"{path}.conformance_required"):
        function.conformance_required = tool.conformance_required


def _add_choice(added: llm_pb2.ToolChoice, choice: object) -> None:
    if not isinstance(choice, ToolChoice):
        found = type(choice).__name__
        raise TypeError(f"tool_choice is a {found}: write ToolChoice(mode=ToolMode.REQUIRED)")
    # An unknown mode must not become the model's own choice.
    if choice.mode not in _MODES:
        raise request_error("tool_choice.mode", "UNKNOWN", f"One of {', '.join(_MODES)}.")
    added.mode = _MODES[choice.mode]
    with naming("tool_choice.allowed_function_names"):
        # A text would be taken for a list of letters.
        allowed = [choice.allowed] if isinstance(choice.allowed, str) else choice.allowed
        added.allowed_function_names.extend(allowed)
    with naming("tool_choice.single_call"):
        added.single_call = choice.single_call


def _add_format(added: llm_pb2.ResponseFormat, shape: object) -> None:
    if not isinstance(shape, ResponseFormat):
        found = type(shape).__name__
        raise TypeError(f"response_format is a {found}: write ResponseFormat(schema)")
    if shape.schema is None:
        if shape.conformance_required:
            remedy = 'Needs a schema; {"type": "object"} is any object.'
            raise request_error("response_format.json_object", "NOT_ALLOWED", remedy)
        added.json_object.SetInParent()
        return
    with naming("response_format.json_schema.name"):
        added.json_schema.name = shape.name
    with naming("response_format.json_schema.schema_json"):
        added.json_schema.schema_json = _to_text(shape.schema)
    with naming("response_format.json_schema.conformance_required"):
        added.json_schema.conformance_required = shape.conformance_required


def _to_text(schema: Schema) -> str:
    return schema if isinstance(schema, str) else json.dumps(dict(schema), allow_nan=False)
