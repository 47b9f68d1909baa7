from collections.abc import Sequence
from typing import Unpack

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.errors import InvalidRequestError
from llmsvc_client.messages import assistant, system, user
from llmsvc_client.options import ChatOptions
from llmsvc_client.request import to_request
from llmsvc_client.types import Message, Privacy, Refusal, Role, Sampling, Target, UnknownPart


def request(
    prompt: object = "hi",
    *,
    progress_interval_s: float | None = None,
    **options: Unpack[ChatOptions],
) -> llm_pb2.ChatRequest:
    return to_request(
        prompt,  # type: ignore[arg-type]  # tests say wrong things
        options,
        progress_interval_s=progress_interval_s,
    )


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


def sent_parts(turns: list[Message]) -> list[list[str]]:
    return [[part.text for part in turn.parts] for turn in request(turns).messages]


def test_parts_are_sent_one_for_one() -> None:
    turns = [user("a"), Message(Role.ASSISTANT, parts=["b", "c"]), user("d")]

    assert [["a"], ["b", "c"], ["d"]] == sent_parts(turns)


@pytest.mark.parametrize("nothing", [assistant(""), user(""), Message(Role.ASSISTANT, parts=[""])])
def test_a_turn_that_says_nothing_is_left_out(nothing: Message) -> None:
    assert [["a"], ["b"]] == sent_parts([user("a"), nothing, user("b")])


def test_instructions_that_say_nothing_are_left_out() -> None:
    assert [llm_pb2.ROLE_USER] == [turn.role for turn in request(system="").messages]


def test_a_last_turn_that_says_nothing_is_sent() -> None:
    assert [["a"], [""]] == sent_parts([user("a"), user("")])
    assert [""] == [part.text for part in request("").messages[0].parts]


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
        (
            {"prompt": [assistant(""), Message(Role.USER, parts=["a", LONE_SURROGATE])]},
            "messages[0].parts[1].text",
        ),
        (
            {"prompt": [Message(Role.ASSISTANT, parts=[UnknownPart("", b"\xffsecret")])]},
            "messages[0].parts[0]",
        ),
        (
            {"prompt": [Message(Role.ASSISTANT, parts=[Refusal(LONE_SURROGATE)])]},
            "messages[0].parts[0].refusal",
        ),
        ({"prompt": [user("a")], "system": LONE_SURROGATE}, "messages[0].parts[0].text"),
        ({"sampling": Sampling(temperature="hot")}, "generation_config.temperature"),  # type: ignore[arg-type]  # the same
        ({"sampling": Sampling(top_k=1.5)}, "generation_config.top_k"),  # type: ignore[arg-type]  # the same
        ({"sampling": Sampling(max_output_tokens=2**40)}, "generation_config.max_output_tokens"),
        ({"sampling": Sampling(stop_sequences="END")}, "generation_config.stop_sequences"),  # type: ignore[arg-type]  # the same
        (
            {"targets": [Target("ollama"), Target(LONE_SURROGATE)]},
            "routing_policy.targets[1].provider",
        ),
        ({"targets": [Target("ollama", LONE_SURROGATE)]}, "routing_policy.targets[0].model"),
        ({"progress_interval_s": float("nan")}, "stream_options.progress_interval"),
        ({"progress_interval_s": float("inf")}, "stream_options.progress_interval"),
        ({"progress_interval_s": 1e30}, "stream_options.progress_interval"),
        ({"progress_interval_s": "5"}, "stream_options.progress_interval"),
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
    wrong = len(prompt) - 1
    with pytest.raises(TypeError, match=rf"prompt\[{wrong}\] is a .*: write user\(text\)"):
        request(prompt, system="be brief")


def test_unset_routing_and_delivery_are_not_sent() -> None:
    sent = request(targets=(), fallback=True)

    assert not sent.HasField("routing_policy")
    assert not sent.HasField("stream_options")


@pytest.mark.parametrize(
    ("privacy", "mode"),
    [
        (Privacy.LOCAL_ONLY, llm_pb2.PRIVACY_MODE_LOCAL_ONLY),
        (Privacy.CLOUD_ALLOWED, llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED),
    ],
)
def test_a_privacy_mode_is_sent(privacy: Privacy, mode: int) -> None:
    assert mode == request(privacy=privacy).routing_policy.privacy_mode


@pytest.mark.parametrize("privacy", [Privacy.UNKNOWN, "local-only", ""])
def test_an_unknown_privacy_mode_never_becomes_the_servers_own(privacy: Privacy) -> None:
    with pytest.raises(InvalidRequestError, match="local_only, cloud_allowed") as caught:
        request(privacy=privacy)

    assert ["routing_policy.privacy_mode"] == [v.field for v in caught.value.violations]


def test_targets_are_sent_in_their_order() -> None:
    targets = [Target("ollama", "phi3:mini"), Target("openai"), Target(model="qwen3")]

    policy = request(targets=targets, fallback=False).routing_policy

    assert [("ollama", "phi3:mini"), ("openai", ""), ("", "qwen3")] == [
        (target.provider, target.model) for target in policy.targets
    ]
    assert policy.fallback_disabled


@pytest.mark.parametrize("targets", ["ollama", ["ollama"], [Target("ollama"), ("openai", "")]])
def test_targets_of_other_things_say_what_to_write(targets: Sequence[Target]) -> None:
    with pytest.raises(TypeError, match=r"targets\[\d\] is a .*: write Target\(provider\)"):
        request(targets=targets)


def test_an_interval_keeps_its_fraction() -> None:
    interval = request(progress_interval_s=1.5).stream_options.progress_interval

    assert 1_500 == interval.ToMilliseconds()
