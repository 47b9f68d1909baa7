import json

import pytest

from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.wire import decode_lines, encode_chat


def encoded(
    sampling: Sampling | None = None,
    *,
    messages: tuple[Message, ...] = (Message(role=Role.USER, parts=("hi",)),),
    num_ctx: int | None = 2048,
    temperature: float | None = 0.7,
) -> dict[str, object]:
    request = ChatRequest(
        model="phi3:mini",
        messages=messages,
        sampling=sampling or Sampling(),
        delivery=Delivery.WHOLE,
    )
    body = encode_chat(
        request, num_ctx=num_ctx, num_predict=8192, keep_alive_s=300, temperature=temperature
    )
    decoded: dict[str, object] = json.loads(body)
    return decoded


def test_sends_just_the_agreed_keys() -> None:
    expected = {
        "model": "phi3:mini",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "think": False,
        "truncate": False,
        "shift": False,
        "keep_alive": 300,
        "options": {"num_ctx": 2048, "num_predict": 8192, "temperature": 0.7},
    }

    assert expected == encoded()


def test_leaves_out_what_nobody_set() -> None:
    assert {"num_predict": 8192} == encoded(num_ctx=None, temperature=None)["options"]


def test_prefers_the_requests_temperature_zero_included() -> None:
    assert {"num_predict": 8192, "temperature": 0.0} == encoded(
        Sampling(temperature=0.0), num_ctx=None
    )["options"]


def test_passes_every_sampling_option_on() -> None:
    sampling = Sampling(
        temperature=0.1,
        top_p=0.2,
        top_k=3,
        min_p=0.4,
        frequency_penalty=0.5,
        presence_penalty=0.6,
        repeat_penalty=0.7,
        seed=8,
        stop_sequences=("a", "b"),
    )
    expected = {
        "num_ctx": 2048,
        "num_predict": 8192,
        "temperature": 0.1,
        "top_p": 0.2,
        "top_k": 3,
        "min_p": 0.4,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.6,
        "repeat_penalty": 0.7,
        "seed": 8,
        "stop": ["a", "b"],
    }

    assert expected == encoded(sampling)["options"]


def test_sends_roles_and_joined_parts_in_order() -> None:
    messages = (
        Message(role=Role.SYSTEM, parts=("be", " brief")),
        Message(role=Role.USER, parts=('ü 🌊 "<&>" \u2028\n',)),
        Message(role=Role.ASSISTANT, parts=("ok",)),
        Message(role=Role.USER, parts=("go",)),
    )
    expected = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": 'ü 🌊 "<&>" \u2028\n'},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "go"},
    ]

    assert expected == encoded(messages=messages)["messages"]


def test_decodes_no_line_from_blank_ones() -> None:
    assert [] == decode_lines(b"\n \r\n\n")


@pytest.mark.parametrize(
    "block",
    [
        *(b"<html>\n", b"null\n", b"[]\n", b"5\n", b'"x"\n', b"{\n"),
        b'{"message":"hi"}\n',
        *(b'{"message":{"content":"\xff"}}\n', b'{"message":{"content":"\\ud800"}}\n'),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    ],
)
def test_refuses_what_is_no_line_of_an_answer(block: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        decode_lines(block)

    assert "C08" == caught.value.row


def test_turns_that_say_nothing_are_not_sent_but_the_last_one_and_the_systems() -> None:
    """An empty system message keeps the model's own away."""

    def turn(role: Role, *parts: str) -> Message:
        return Message(role=role, parts=parts)

    messages = (
        turn(Role.SYSTEM, ""),
        turn(Role.USER, "hi"),
        turn(Role.ASSISTANT),
        turn(Role.USER, "", ""),
        turn(Role.ASSISTANT, "", "a", ""),
        turn(Role.USER, ""),
    )

    assert [
        {"role": "system", "content": ""},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": ""},
    ] == encoded(messages=messages)["messages"]
