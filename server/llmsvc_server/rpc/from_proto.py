"""From messages that passed the checks to our values."""

from operator import attrgetter

from llmsvc.v1 import llm_pb2
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
}
PRIVACY = {
    llm_pb2.PRIVACY_MODE_UNSPECIFIED: None,
    llm_pb2.PRIVACY_MODE_LOCAL_ONLY: Privacy.LOCAL_ONLY,
    llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED: Privacy.CLOUD_ALLOWED,
}
SCALARS = (*SAMPLING_SETTINGS, "max_output_tokens")
NO_SAMPLING = Sampling()
_text = attrgetter("text")


def chat_from_proto(
    request: llm_pb2.ChatRequest, delivery: Delivery, caller: str = ""
) -> ChatRequest:
    """Return the request of `caller` as a value. It must have passed `check_chat`."""
    return ChatRequest(
        model=request.model,
        messages=tuple(
            [
                Message(role=ROLES[one.role], parts=tuple(map(_text, one.parts)))
                for one in request.messages
            ]
        ),
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
        caller=caller,
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
