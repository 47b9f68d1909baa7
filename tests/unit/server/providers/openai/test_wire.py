"""What goes out for a request of ours."""

import json
from typing import cast

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.providers.openai.wire import encode_chat, find_left_out

Json = dict[str, object]


def sent(
    *messages: tuple[Role, tuple[str, ...]],
    sampling: Sampling | None = None,
    token_limit_field: str = "max_tokens",  # noqa: S107  tokens of text
    temperature: float | None = None,
    is_openai: bool = False,
    is_local: bool = False,
) -> Json:
    """Return the body that goes out."""
    body = encode_chat(
        ChatRequest(
            model="m",
            messages=tuple(Message(role=role, parts=parts) for role, parts in messages),
            sampling=sampling or Sampling(),
            delivery=Delivery.WHOLE,
        ),
        max_tokens=100,
        token_limit_field=token_limit_field,
        has_usage=True,
        temperature=temperature,
        is_openai=is_openai,
        is_local=is_local,
    )
    return cast("Json", json.loads(body))


ASKED = (Role.USER, ("hi",))
LEAST: Json = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 100,
}
EVERY = Sampling(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    min_p=0.05,
    frequency_penalty=0.25,
    presence_penalty=-0.25,
    repeat_penalty=1.1,
    seed=7,
    stop_sequences=("END", "\n\n"),
)
EVERYWHERE: Json = {
    "temperature": 0.5,
    "top_p": 0.9,
    "frequency_penalty": 0.25,
    "presence_penalty": -0.25,
    "seed": 7,
    "stop": ["END", "\n\n"],
}


def test_sends_no_more_than_was_asked_for() -> None:
    assert LEAST == sent(ASKED)


def test_sends_zero_where_zero_was_asked_for() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.0, seed=0, frequency_penalty=0.0)
    zeros: Json = {"temperature": 0.0, "top_p": 0.0, "seed": 0, "frequency_penalty": 0.0}

    assert LEAST | zeros == sent(ASKED, sampling=sampling, temperature=0.7)


def test_has_one_field_for_the_length() -> None:
    body = sent(ASKED, token_limit_field="max_completion_tokens")  # noqa: S106  as above

    assert 100 == body["max_completion_tokens"]
    assert "max_tokens" not in body


def test_asks_not_to_keep_the_answer_where_that_is_understood() -> None:
    assert sent(ASKED, is_openai=True)["store"] is False


def test_sends_the_configured_temperature_for_requests_without_one() -> None:
    assert 0.7 == sent(ASKED, temperature=0.7)["temperature"]
    assert 0.5 == sent(ASKED, temperature=0.7, sampling=EVERY)["temperature"]


def test_sends_a_hosted_service_what_it_takes_and_tells_the_rest() -> None:
    adjustments = find_left_out(EVERY, is_local=False)

    assert LEAST | EVERYWHERE == sent(ASKED, sampling=EVERY)
    assert [
        ("generation_config.top_k", Action.IGNORED),
        ("generation_config.min_p", Action.IGNORED),
        ("generation_config.repeat_penalty", Action.IGNORED),
    ] == [(one.field, one.action) for one in adjustments]
    assert () == find_left_out(Sampling(temperature=0.5), is_local=False)


def test_sends_a_local_engine_all_of_it() -> None:
    local: Json = {"top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1, "repetition_penalty": 1.1}

    assert LEAST | EVERYWHERE | local == sent(ASKED, sampling=EVERY, is_local=True)
    assert () == find_left_out(EVERY, is_local=True)


def test_puts_all_system_messages_first_as_one() -> None:
    body = sent(
        (Role.SYSTEM, ("Be ", "brief.")),
        (Role.USER, ("a",)),
        (Role.ASSISTANT, ("b",)),
        (Role.SYSTEM, ("Be kind.",)),
        (Role.USER, ("c", "d")),
    )

    assert [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "cd"},
    ] == body["messages"]


@pytest.mark.parametrize("text", ["", "\u4f60\u597d \U0001f44b", '"\\\n\x00\u2028', "</s>"])
def test_sends_text_as_it_is(text: str) -> None:
    assert [{"role": "user", "content": text}] == sent((Role.USER, (text,)))["messages"]
