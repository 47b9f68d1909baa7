import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.convert import to_adjustment, to_reply, to_request, to_route, to_usage
from llmsvc_client.errors import InvalidRequestError
from llmsvc_client.messages import assistant, system, user
from llmsvc_client.types import (
    FinishReason,
    Locality,
    Message,
    ProviderKind,
    Role,
    Sampling,
)

NEWER_VALUE = 99


def request(
    prompt: object = "hi", *, model: str | None = None, sampling: Sampling | None = None
) -> llm_pb2.ChatRequest:
    return to_request(prompt, model=model, system=None, sampling=sampling)  # type: ignore[arg-type]  # tests say wrong things


@pytest.mark.parametrize(
    ("turn", "role"),
    [
        (system("x"), llm_pb2.ROLE_SYSTEM),
        (user("x"), llm_pb2.ROLE_USER),
        (assistant("x"), llm_pb2.ROLE_ASSISTANT),
    ],
)
def test_each_role_has_its_own(turn: Message, role: int) -> None:
    assert role == request([turn]).messages[0].role


def test_unset_sampling_is_not_sent() -> None:
    assert not request().HasField("generation_config")
    assert not request(sampling=Sampling()).HasField("generation_config")


def test_zero_is_sent() -> None:
    sent = request(sampling=Sampling(temperature=0, seed=0)).generation_config

    assert sent.HasField("temperature")
    assert sent.HasField("seed")
    assert not sent.HasField("top_p")


def test_every_field_of_the_contract_can_be_set() -> None:
    known = {field.name for field in llm_pb2.GenerationConfig.DESCRIPTOR.fields}

    assert set(Sampling.__slots__) == known


LONE_SURROGATE = "secret \ud800"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"model": LONE_SURROGATE}, "model"),
        ({"prompt": LONE_SURROGATE}, "messages[0].parts[0].text"),
        ({"prompt": [user("a"), user(5)]}, "messages[1].parts[0].text"),  # type: ignore[arg-type]  # wrong on purpose
        ({"sampling": Sampling(temperature="hot")}, "generation_config.temperature"),  # type: ignore[arg-type]  # the same
        ({"sampling": Sampling(top_k=1.5)}, "generation_config.top_k"),  # type: ignore[arg-type]  # the same
        ({"sampling": Sampling(max_output_tokens=2**40)}, "generation_config.max_output_tokens"),
        ({"sampling": Sampling(stop_sequences="END")}, "generation_config.stop_sequences"),  # type: ignore[arg-type]  # the same
        ({"sampling": Sampling(stop_sequences=(5,))}, "generation_config.stop_sequences"),  # type: ignore[arg-type]  # the same
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_named_but_not_shown(
    arguments: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request(**arguments)  # type: ignore[arg-type]  # wrong on purpose

    assert [(field, "MALFORMED")] == [(v.field, v.reason) for v in caught.value.violations]
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("prompt", [["hi"], [user("hi"), None], [{"role": "user"}]])
def test_a_prompt_of_other_things_says_what_to_write(prompt: list[object]) -> None:
    with pytest.raises(TypeError, match=r"prompt\[\d\] is a .*: write user\(text\)"):
        request(prompt)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (llm_pb2.FINISH_REASON_UNSPECIFIED, FinishReason.UNKNOWN),
        (llm_pb2.FINISH_REASON_STOP, FinishReason.STOP),
        (llm_pb2.FINISH_REASON_STOP_SEQUENCE, FinishReason.STOP_SEQUENCE),
        (llm_pb2.FINISH_REASON_MAX_TOKENS, FinishReason.MAX_TOKENS),
        (llm_pb2.FINISH_REASON_CONTEXT_LENGTH, FinishReason.CONTEXT_LENGTH),
        (llm_pb2.FINISH_REASON_OTHER, FinishReason.OTHER),
        (NEWER_VALUE, FinishReason.UNKNOWN),
    ],
)
def test_finish_reasons(value: llm_pb2.FinishReason.ValueType, reason: FinishReason) -> None:
    assert reason is to_reply(llm_pb2.ChatResponse(finish_reason=value)).finish_reason


@pytest.mark.parametrize(
    ("value", "locality"),
    [
        (llm_pb2.LOCALITY_UNSPECIFIED, Locality.UNKNOWN),
        (llm_pb2.LOCALITY_LOCAL, Locality.LOCAL),
        (llm_pb2.LOCALITY_REMOTE, Locality.REMOTE),
        (NEWER_VALUE, Locality.UNKNOWN),
    ],
)
def test_localities(value: llm_pb2.Locality.ValueType, locality: Locality) -> None:
    assert locality is to_route(llm_pb2.RouteInfo(locality=value)).locality


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (llm_pb2.PROVIDER_KIND_UNSPECIFIED, ProviderKind.UNKNOWN),
        (llm_pb2.PROVIDER_KIND_OLLAMA, ProviderKind.OLLAMA),
        (llm_pb2.PROVIDER_KIND_MOCK, ProviderKind.MOCK),
        (NEWER_VALUE, ProviderKind.UNKNOWN),
    ],
)
def test_provider_kinds(value: llm_pb2.ProviderKind.ValueType, kind: ProviderKind) -> None:
    assert kind is to_route(llm_pb2.RouteInfo(provider_kind=value)).kind


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (llm_pb2.Adjustment.ACTION_UNSPECIFIED, "unknown"),
        (llm_pb2.Adjustment.ACTION_IGNORED, "ignored"),
        (llm_pb2.Adjustment.ACTION_CLAMPED, "clamped"),
        (NEWER_VALUE, "unknown"),
    ],
)
def test_adjustments(value: llm_pb2.Adjustment.Action.ValueType, word: str) -> None:
    assert word == to_adjustment(llm_pb2.Adjustment(action=value)).action


def test_unset_counts_are_unknown_and_zero_is_zero() -> None:
    usage = to_usage(llm_pb2.Usage(input_tokens=0))

    assert (0, None, None) == (usage.input_tokens, usage.output_tokens, usage.total_tokens)


def test_joins_the_parts_of_an_answer() -> None:
    response = llm_pb2.ChatResponse()
    response.message.parts.add(text="Hel")
    response.message.parts.add(text="lo")

    reply = to_reply(response)

    assert "Hello" == reply.text
    assert Message(Role.ASSISTANT, "Hello") == reply.message


def test_no_repr_shows_a_text() -> None:
    response = llm_pb2.ChatResponse(stop_sequence="secret")
    response.message.parts.add(text="secret")

    shown = repr([to_reply(response), user("secret"), Sampling(stop_sequences=("secret",))])

    assert "secret" not in shown
