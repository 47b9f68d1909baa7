"""Our values to the contract's messages, and back. Pure; newer enum values never raise."""

import dataclasses
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from llmsvc.v1 import llm_pb2
from llmsvc_client.errors import Code, Failure, InvalidRequestError, Violation
from llmsvc_client.types import (
    Adjustment,
    ChatReply,
    FinishReason,
    Locality,
    Message,
    ProviderKind,
    Role,
    Route,
    Sampling,
    Usage,
)

_ROLES = {
    Role.SYSTEM: llm_pb2.ROLE_SYSTEM,
    Role.USER: llm_pb2.ROLE_USER,
    Role.ASSISTANT: llm_pb2.ROLE_ASSISTANT,
}
_FINISH_REASONS = {
    llm_pb2.FINISH_REASON_STOP: FinishReason.STOP,
    llm_pb2.FINISH_REASON_STOP_SEQUENCE: FinishReason.STOP_SEQUENCE,
    llm_pb2.FINISH_REASON_MAX_TOKENS: FinishReason.MAX_TOKENS,
    llm_pb2.FINISH_REASON_CONTEXT_LENGTH: FinishReason.CONTEXT_LENGTH,
    llm_pb2.FINISH_REASON_OTHER: FinishReason.OTHER,
}
_LOCALITIES = {
    llm_pb2.LOCALITY_LOCAL: Locality.LOCAL,
    llm_pb2.LOCALITY_REMOTE: Locality.REMOTE,
}
_KINDS = {
    llm_pb2.PROVIDER_KIND_OLLAMA: ProviderKind.OLLAMA,
    llm_pb2.PROVIDER_KIND_MOCK: ProviderKind.MOCK,
}
_ACTIONS = {
    llm_pb2.Adjustment.ACTION_IGNORED: "ignored",
    llm_pb2.Adjustment.ACTION_CLAMPED: "clamped",
}


def to_request(
    prompt: str | Sequence[Message],
    *,
    model: str | None,
    system: str | None,
    sampling: Sampling | None,
) -> llm_pb2.ChatRequest:
    """Return the request of one chat. What the contract allows is the server's to judge.

    Args:
        prompt: One user turn, or all turns in order.
        model: Name or alias. None or empty is the server's default.
        system: Instructions, put before all turns. None: none.
        sampling: Sampling and length. None keeps the server's settings.

    Raises:
        InvalidRequestError: A value does not go into its field, such as a text that is not valid
            Unicode. The field is named, the value is not.
        TypeError: The prompt holds something other than messages.
    """
    turns = [Message(Role.USER, prompt)] if isinstance(prompt, str) else list(prompt)
    if system is not None:
        turns.insert(0, Message(Role.SYSTEM, system))
    request = llm_pb2.ChatRequest()
    with _naming("model"):
        request.model = model or ""
    for index, turn in enumerate(turns):
        _add_turn(request, turn, index)
    if sampling is not None:
        _add_sampling(request.generation_config, sampling)
    return request


def _add_turn(request: llm_pb2.ChatRequest, turn: object, index: int) -> None:
    if not isinstance(turn, Message):
        found = type(turn).__name__
        raise TypeError(f"prompt[{index}] is a {found}, not a Message: write user(text)")
    with _naming(f"messages[{index}].role"):
        message = request.messages.add(role=_ROLES.get(turn.role, llm_pb2.ROLE_UNSPECIFIED))
    with _naming(f"messages[{index}].parts[0].text"):
        message.parts.add().text = turn.text


def _add_sampling(config: llm_pb2.GenerationConfig, sampling: Sampling) -> None:
    for field in dataclasses.fields(sampling):
        value: object = getattr(sampling, field.name)
        if value in (None, ()):
            continue
        with _naming(f"generation_config.{field.name}"):
            if isinstance(value, tuple | list):
                config.stop_sequences.extend(value)
            else:
                setattr(config, field.name, value)


@contextmanager
def _naming(path: str) -> Generator[None]:
    """Turn what protobuf says of a bad value, and of the value itself, into the field's name."""
    try:
        yield
    except (AttributeError, TypeError, ValueError):
        raise refusal(path, "MALFORMED", "Not a value that this field can hold.") from None


def refusal(field: str, reason: str, description: str) -> InvalidRequestError:
    """Return the error for a request that is refused before it is sent."""
    failure = Failure(
        code=Code.INVALID_ARGUMENT,
        message=f"The request was not sent: {field}: {description}",
        reason="INVALID_REQUEST",
    )
    return InvalidRequestError(failure, violations=[Violation(field, reason, description)])


def to_reply(response: llm_pb2.ChatResponse, text: str | None = None) -> ChatReply:
    """Return a whole answer.

    Args:
        response: The contract's message.
        text: The answer's text where the message does not hold it: after a stream.
    """
    if text is None:
        text = "".join(part.text for part in response.message.parts)
    return ChatReply(
        text=text,
        finish_reason=_FINISH_REASONS.get(response.finish_reason, FinishReason.UNKNOWN),
        stop_sequence=response.stop_sequence,
        usage=to_usage(response.usage),
        route=to_route(response.route),
        adjustments=tuple(to_adjustment(each) for each in response.adjustments),
        request_id=response.request_id,
        raw=response,
    )


def to_route(route: llm_pb2.RouteInfo) -> Route:
    """Return who answers."""
    return Route(
        provider=route.provider,
        kind=_KINDS.get(route.provider_kind, ProviderKind.UNKNOWN),
        model=route.model,
        requested_model=route.requested_model,
        locality=_LOCALITIES.get(route.locality, Locality.UNKNOWN),
        raw=route,
    )


def to_usage(usage: llm_pb2.Usage) -> Usage:
    """Return token counts; what is unset is unknown."""
    return Usage(
        input_tokens=usage.input_tokens if usage.HasField("input_tokens") else None,
        output_tokens=usage.output_tokens if usage.HasField("output_tokens") else None,
        total_tokens=usage.total_tokens if usage.HasField("total_tokens") else None,
        raw=usage,
    )


def to_adjustment(adjustment: llm_pb2.Adjustment) -> Adjustment:
    """Return what was not run as asked."""
    return Adjustment(
        field=adjustment.field,
        action=_ACTIONS.get(adjustment.action, "unknown"),
        description=adjustment.description,
        raw=adjustment,
    )
