"""Our values to the contract's request. Pure; what the contract allows is the server's to judge."""

import dataclasses
from collections.abc import Sequence

from llmsvc.v1 import llm_pb2
from llmsvc_client.features import add_features
from llmsvc_client.naming import naming, request_error
from llmsvc_client.options import ChatOptions
from llmsvc_client.tools import ToolCall, ToolResult
from llmsvc_client.types import Message, Part, Privacy, Refusal, Role, Sampling, Target, UnknownPart

_ROLES = {
    Role.SYSTEM: llm_pb2.ROLE_SYSTEM,
    Role.USER: llm_pb2.ROLE_USER,
    Role.ASSISTANT: llm_pb2.ROLE_ASSISTANT,
    Role.TOOL: llm_pb2.ROLE_TOOL,
}
_PRIVACY_MODES = {
    Privacy.LOCAL_ONLY: llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
    Privacy.CLOUD_ALLOWED: llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED,
}
_NANOSECONDS = 1e9
_STREAMED = (
    "A part of an answer that is newer than this client, and that a stream told in pieces: update"
    " llmsvc-client, ask with chat(), or send Message(role, text) without it."
)


def to_request(
    prompt: str | Sequence[Message],
    options: ChatOptions,
    *,
    progress_interval_s: float | None = None,
) -> llm_pb2.ChatRequest:
    """Return the request of one chat.

    Args:
        prompt: One user turn, or all turns in order.
        options: What is said beside it; the time and the id are no part of a request.
        progress_interval_s: Seconds of silence after which a stream sends a sign of life. None:
            it sends none.

    Raises:
        InvalidRequestError: A value does not go into its field, such as a text that is not valid
            Unicode. The field is named, the value is not. Or a part came in a stream that is newer
            than this client.
        TypeError: The prompt holds something other than messages, or `targets` than targets.
    """
    sampling = options.get("sampling")
    request = llm_pb2.ChatRequest()
    with naming("model"):
        request.model = options.get("model") or ""
    turns = _turns(prompt, options.get("system"))
    for index, turn in enumerate(turns, 1):
        # One that says nothing, such as an empty answer, is no turn (ADR-029). The last one is
        # what is asked.
        if turn.parts or index == len(turns):
            _add_turn(request, turn)
    if sampling is not None:
        _add_sampling(request.generation_config, sampling)
    add_features(request, options)
    _add_routing(request, options)
    if progress_interval_s is not None:
        with naming("stream_options.progress_interval"):
            interval = request.stream_options.progress_interval
            interval.FromNanoseconds(round(progress_interval_s * _NANOSECONDS))
    return request


def _turns(prompt: str | Sequence[Message], system: str | None) -> list[Message]:
    if isinstance(prompt, str):
        turns = [Message(Role.USER, prompt)]
    else:
        turns = [_turn(given, index) for index, given in enumerate(prompt)]
    return turns if system is None else [Message(Role.SYSTEM, system), *turns]


def _turn(given: object, index: int) -> Message:
    if not isinstance(given, Message):
        found = type(given).__name__
        raise TypeError(f"prompt[{index}] is a {found}, not a Message: write user(text)")
    return given


def _add_turn(request: llm_pb2.ChatRequest, turn: Message) -> None:
    path = f"messages[{len(request.messages)}]"
    with naming(f"{path}.role"):
        message = request.messages.add(role=_ROLES.get(turn.role, llm_pb2.ROLE_UNSPECIFIED))
    for index, part in enumerate(turn.parts or ("",)):  # the contract wants one
        _add_part(message.parts.add(), part, f"{path}.parts[{index}]")


def _add_part(added: llm_pb2.ContentPart, part: Part, path: str) -> None:
    if isinstance(part, ToolCall):
        with naming(f"{path}.tool_call"):
            call = added.tool_call
            call.id, call.name, call.arguments_json = part.id, part.name, part.arguments_json
    elif isinstance(part, ToolResult):
        with naming(f"{path}.tool_result"):
            result = added.tool_result
            result.tool_call_id, result.content = part.tool_call_id, part.content
            result.failed = part.failed
    elif isinstance(part, Refusal):
        with naming(f"{path}.refusal"):
            added.refusal = part.text
    elif not isinstance(part, UnknownPart):
        with naming(f"{path}.text"):
            added.text = part
    elif part.serialized is None:
        raise request_error(path, "UNKNOWN", _STREAMED)
    else:
        with naming(path):
            added.MergeFromString(part.serialized)


def _add_sampling(config: llm_pb2.GenerationConfig, sampling: Sampling) -> None:
    for field in dataclasses.fields(sampling):
        value: object = getattr(sampling, field.name)
        if value in (None, ()):
            continue
        with naming(f"generation_config.{field.name}"):
            if isinstance(value, tuple | list):
                config.stop_sequences.extend(value)
            else:
                setattr(config, field.name, value)


def _add_routing(request: llm_pb2.ChatRequest, options: ChatOptions) -> None:
    privacy = options.get("privacy")
    if privacy is not None:
        # An unknown mode must not become the server's own: that may allow more.
        if privacy not in _PRIVACY_MODES:
            modes = ", ".join(_PRIVACY_MODES)
            raise request_error("routing_policy.privacy_mode", "UNKNOWN", f"One of {modes}.")
        request.routing_policy.privacy_mode = _PRIVACY_MODES[privacy]
    for index, target in enumerate(options.get("targets", ())):
        _add_target(request.routing_policy, target, index)
    if not options.get("fallback", True):
        request.routing_policy.fallback_disabled = True


def _add_target(policy: llm_pb2.RoutingPolicy, target: object, index: int) -> None:
    if not isinstance(target, Target):
        found = type(target).__name__
        raise TypeError(f"targets[{index}] is a {found}, not a Target: write Target(provider)")
    added = policy.targets.add()
    with naming(f"routing_policy.targets[{index}].provider"):
        added.provider = target.provider
    with naming(f"routing_policy.targets[{index}].model"):
        added.model = target.model
