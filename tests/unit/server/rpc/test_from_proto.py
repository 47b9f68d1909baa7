import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.parts import Refusal
from llmsvc_server.chat.request import (
    SERVERS_ROUTING,
    ChatRequest,
    Delivery,
    Message,
    Role,
    Routing,
    Sampling,
)
from llmsvc_server.chat.route import Privacy, TargetName
from llmsvc_server.rpc.from_proto import PRIVACY, ROLES, chat_from_proto
from llmsvc_server.rpc.message_checks import KNOWN_ROLES
from tests.unit.server.rpc.refusals import ASSISTANT, SYSTEM, USER, message, of


def sampling_of(config: llm_pb2.GenerationConfig) -> Sampling:
    request = llm_pb2.ChatRequest(messages=[message()], generation_config=config)
    return chat_from_proto(request, Delivery.STREAM).sampling


def test_a_request_becomes_a_value_with_everything_in_its_place() -> None:
    request = llm_pb2.ChatRequest(
        model="phi3:mini",
        messages=[
            message(SYSTEM, "be brief"),
            message(USER, "one", "", "two"),
            message(ASSISTANT, "yes"),
            message(USER),
        ],
        generation_config=llm_pb2.GenerationConfig(
            temperature=0.7,
            top_p=0.9,
            top_k=40,
            min_p=0.05,
            frequency_penalty=-0.5,
            presence_penalty=0.5,
            repeat_penalty=1.1,
            seed=7,
            max_output_tokens=100,
            stop_sequences=["###", "\n"],
        ),
        routing_policy=llm_pb2.RoutingPolicy(
            privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
            targets=[
                llm_pb2.RouteTarget(provider="ollama", model="phi3"),
                llm_pb2.RouteTarget(model="llama3.2"),
            ],
            fallback_disabled=True,
        ),
    )
    expected = ChatRequest(
        model="phi3:mini",
        messages=(
            Message(role=Role.SYSTEM, parts=("be brief",)),
            Message(role=Role.USER, parts=("one", "", "two")),
            Message(role=Role.ASSISTANT, parts=("yes",)),
            Message(role=Role.USER, parts=("hi",)),
        ),
        sampling=Sampling(
            temperature=0.7,
            top_p=0.9,
            top_k=40,
            min_p=0.05,
            frequency_penalty=-0.5,
            presence_penalty=0.5,
            repeat_penalty=1.1,
            seed=7,
            max_output_tokens=100,
            stop_sequences=("###", "\n"),
        ),
        delivery=Delivery.WHOLE,
        routing=Routing(
            privacy=Privacy.LOCAL_ONLY,
            targets=(
                TargetName(provider="ollama", model="phi3"),
                TargetName(provider="", model="llama3.2"),
            ),
            fallback_disabled=True,
        ),
    )

    assert expected == chat_from_proto(request, Delivery.WHOLE)


@pytest.mark.parametrize(
    "request_",
    [
        of(message()),
        llm_pb2.ChatRequest(messages=[message()], generation_config=llm_pb2.GenerationConfig()),
        llm_pb2.ChatRequest(messages=[message()], routing_policy=llm_pb2.RoutingPolicy()),
    ],
    ids=["nothing", "an empty configuration", "an empty policy"],
)
def test_what_is_unset_stays_none(request_: llm_pb2.ChatRequest) -> None:
    chat = chat_from_proto(request_, Delivery.STREAM)

    assert Sampling() == chat.sampling
    assert SERVERS_ROUTING == chat.routing
    assert not chat.model


def test_a_refusal_is_no_text() -> None:
    declined = llm_pb2.Message(
        role=ASSISTANT,
        parts=[llm_pb2.ContentPart(text="Well."), llm_pb2.ContentPart(refusal="I can't.")],
    )
    chat = chat_from_proto(of(message(), declined, message()), Delivery.WHOLE)

    assert ("Well.", Refusal(text="I can't.")) == chat.messages[1].parts
    assert "Well.I can't." == chat.messages[1].text
    assert not chat.is_plain


@pytest.mark.parametrize("parts", [[], [""], ["", "a"]])
def test_what_says_nothing_is_still_text(parts: list[str]) -> None:
    said = llm_pb2.Message(role=ASSISTANT, parts=[llm_pb2.ContentPart(text=one) for one in parts])
    chat = chat_from_proto(of(message(), said, message()), Delivery.WHOLE)

    assert tuple(parts) == chat.messages[1].parts
    assert chat.is_plain


def test_zero_is_not_unset() -> None:
    config = llm_pb2.GenerationConfig(temperature=0, min_p=0, seed=0, presence_penalty=0)

    assert Sampling(temperature=0, min_p=0, seed=0, presence_penalty=0) == sampling_of(config)


def test_every_field_of_the_configuration_has_a_place() -> None:
    names = {field.name for field in llm_pb2.GenerationConfig.DESCRIPTOR.fields}

    assert names == set(Sampling.__dataclass_fields__)


def test_every_privacy_mode_has_a_value() -> None:
    assert set(PRIVACY) == set(llm_pb2.PrivacyMode.values())
    assert set(PRIVACY.values()) == {None, *Privacy}


def test_every_role_that_is_accepted_has_a_value() -> None:
    assert set(ROLES) == KNOWN_ROLES
    assert set(ROLES) == {*llm_pb2.Role.values()} - {llm_pb2.ROLE_UNSPECIFIED}
    assert set(ROLES.values()) == set(Role)
