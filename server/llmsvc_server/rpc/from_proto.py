"""From messages that passed the checks to our values."""

from collections.abc import Callable, Mapping
from operator import attrgetter

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.features import (
    NO_FEATURES,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
    UnsupportedAction,
)
from llmsvc_server.chat.parts import Part, Refusal, ToolCall, ToolResult
from llmsvc_server.chat.request import (
    SAMPLING_SETTINGS,
    SERVERS_ROUTING,
    ChatRequest,
    Delivery,
    Message,
    Role,
    Routing,
    Sampling,
)
from llmsvc_server.chat.route import Privacy, TargetName

ROLES = {
    llm_pb2.ROLE_SYSTEM: Role.SYSTEM,
    llm_pb2.ROLE_USER: Role.USER,
    llm_pb2.ROLE_ASSISTANT: Role.ASSISTANT,
    llm_pb2.ROLE_TOOL: Role.TOOL,
}
PRIVACY = {
    llm_pb2.PRIVACY_MODE_UNSPECIFIED: None,
    llm_pb2.PRIVACY_MODE_LOCAL_ONLY: Privacy.LOCAL_ONLY,
    llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED: Privacy.CLOUD_ALLOWED,
}
MODES = {
    llm_pb2.ToolChoice.MODE_UNSPECIFIED: ChoiceMode.AUTO,
    llm_pb2.ToolChoice.MODE_AUTO: ChoiceMode.AUTO,
    llm_pb2.ToolChoice.MODE_NONE: ChoiceMode.NONE,
    llm_pb2.ToolChoice.MODE_REQUIRED: ChoiceMode.REQUIRED,
}
ACTIONS = {
    llm_pb2.UNSUPPORTED_FEATURE_ACTION_UNSPECIFIED: UnsupportedAction.FAIL,
    llm_pb2.UNSUPPORTED_FEATURE_ACTION_FAIL: UnsupportedAction.FAIL,
    llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE: UnsupportedAction.EMULATE,
    llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE: UnsupportedAction.DEGRADE,
}
SCALARS = (*SAMPLING_SETTINGS, "max_output_tokens")
NO_SAMPLING = Sampling()
_text = attrgetter("text")
_parts = attrgetter("parts")
_role = attrgetter("role")


def chat_from_proto(
    request: llm_pb2.ChatRequest, delivery: Delivery, caller: str = ""
) -> ChatRequest:
    """Return the request of `caller` as a value. It must have passed `check_chat`."""
    # Each call has a result, in a tool message (docs/contract.md 3).
    has_calls = llm_pb2.ROLE_TOOL in map(_role, request.messages)
    asks_more = has_calls or bool(request.tools) or request.HasField("response_format")
    messages, is_text = () if has_calls else _texts(request), not has_calls
    if has_calls or not all(map(all, map(_parts, messages))):  # what is no text has an empty one
        messages = tuple(map(_message, request.messages))
        is_text = all(isinstance(part, str) for one in messages for part in one.parts)
    return ChatRequest(
        model=request.model,
        messages=messages,
        sampling=(
            _sampling(request.generation_config)
            if request.HasField("generation_config")
            else NO_SAMPLING
        ),
        delivery=delivery,
        routing=(
            _routing(request.routing_policy)
            if request.HasField("routing_policy")
            else SERVERS_ROUTING
        ),
        features=_features(request) if asks_more else NO_FEATURES,
        is_plain=is_text and not asks_more,
        caller=caller,
    )


def _texts(request: llm_pb2.ChatRequest) -> tuple[Message, ...]:
    """Return messages as if all their parts were texts; others have an empty one."""
    return tuple(
        [
            Message(role=ROLES[one.role], parts=tuple(map(_text, one.parts)))
            for one in request.messages
        ]
    )


def _message(message: llm_pb2.Message) -> Message:
    role = message.role
    return Message(role=ROLES[role], parts=tuple(map(_PARTS.get(role, _text), message.parts)))


def _said(part: llm_pb2.ContentPart) -> Part:
    if part.HasField("tool_call"):
        call = part.tool_call
        return ToolCall(id=call.id, name=call.name, arguments_json=call.arguments_json)
    return Refusal(text=part.refusal) if part.HasField("refusal") else part.text


def _result(part: llm_pb2.ContentPart) -> ToolResult:
    result = part.tool_result
    return ToolResult(call_id=result.tool_call_id, content=result.content, failed=result.failed)


_PARTS: Mapping[int, Callable[[llm_pb2.ContentPart], Part]] = {
    llm_pb2.ROLE_ASSISTANT: _said,
    llm_pb2.ROLE_TOOL: _result,
}
"""Role -> what makes its parts, where they may be other than text."""


def _features(request: llm_pb2.ChatRequest) -> Features:
    choice = request.tool_choice
    return Features(
        tools=tuple(_tool(one.function) for one in request.tools),
        choice=ToolChoice(
            mode=MODES[choice.mode],
            allowed=tuple(choice.allowed_function_names),
            single_call=choice.single_call,
        ),
        response_format=(
            _format(request.response_format) if request.HasField("response_format") else None
        ),
        unsupported=ACTIONS[request.unsupported_feature_action],
    )


def _tool(function: llm_pb2.FunctionTool) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        parameters_json_schema=function.parameters_json_schema,
        conformance_required=function.conformance_required,
    )


def _format(shape: llm_pb2.ResponseFormat) -> ResponseFormat:
    if shape.HasField("json_object"):
        return ResponseFormat()
    schema = shape.json_schema
    return ResponseFormat(
        name=schema.name or ResponseFormat().name,
        json_schema=schema.schema_json,
        conformance_required=schema.conformance_required,
    )


def _sampling(config: llm_pb2.GenerationConfig) -> Sampling:
    return Sampling(
        **{name: getattr(config, name) for name in SCALARS if config.HasField(name)},  # type: ignore[arg-type]  # names of its fields
        stop_sequences=tuple(config.stop_sequences),
    )


def _routing(policy: llm_pb2.RoutingPolicy) -> Routing:
    return Routing(
        privacy=PRIVACY[policy.privacy_mode],
        targets=tuple(TargetName(provider=one.provider, model=one.model) for one in policy.targets),
        fallback_disabled=policy.fallback_disabled,
    )
