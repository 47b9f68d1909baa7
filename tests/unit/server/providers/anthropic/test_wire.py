import json

import pytest

from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.settings import settings_for
from llmsvc_server.providers.anthropic.wire import decode_event, encode_chat, messages
from llmsvc_server.providers.shared.sse import ServerEvent

HI = Message(role=Role.USER, parts=("hi",))


def encoded(
    sampling: Sampling | None = None,
    *,
    messages: tuple[Message, ...] = (HI,),
    model: str = "claude-x",
    temperature: float | None = 0.7,
) -> dict[str, object]:
    request = ChatRequest(
        model=model,
        messages=messages,
        sampling=sampling or Sampling(),
        delivery=Delivery.WHOLE,
    )
    settings = settings_for(
        model,
        request.sampling,
        temperature=temperature,
        max_tokens=request.sampling.limit(8192),
    )
    decoded: dict[str, object] = json.loads(encode_chat(request, settings))
    return decoded


def test_sends_just_the_agreed_keys() -> None:
    expected = {
        "model": "claude-x",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "temperature": 0.7,
    }

    assert expected == encoded()


def test_leaves_out_what_nobody_set() -> None:
    assert {"model", "max_tokens", "messages", "stream"} == encoded(temperature=None).keys()


def test_passes_on_what_there_is_a_field_for() -> None:
    sampling = Sampling(
        temperature=0.0,
        top_p=0.2,
        top_k=3,
        max_output_tokens=5,
        stop_sequences=("a", "b"),
        min_p=0.4,
        frequency_penalty=0.5,
        presence_penalty=0.6,
        repeat_penalty=0.7,
        seed=8,
    )
    expected = {
        "model": "claude-x",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "temperature": 0.0,
        "top_p": 0.2,
        "top_k": 3,
        "stop_sequences": ["a", "b"],
    }

    assert expected == encoded(sampling)


def test_makes_one_text_of_the_system_messages_and_one_turn_of_neighbours() -> None:
    messages = (
        Message(role=Role.SYSTEM, parts=("be", " brief")),
        Message(role=Role.USER, parts=('ü 🌊 "<&>" \u2028\n',)),
        Message(role=Role.USER, parts=("and",)),
        Message(role=Role.SYSTEM, parts=("be kind",)),
        Message(role=Role.ASSISTANT, parts=("ok",)),
        Message(role=Role.USER, parts=("go",)),
    )
    expected = [
        {"role": "user", "content": 'ü 🌊 "<&>" \u2028\n\n\nand'},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "go"},
    ]
    sent = encoded(messages=messages)

    assert ("be brief\n\nbe kind", expected) == (sent["system"], sent["messages"])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((b"message_start", data) for data in (b"5", b"[]", b'{"message":5}')),
        *((b"content_block_start", data) for data in (b"{}", b'{"content_block":5}')),
        *((b"content_block_delta", data) for data in (b"{}", b'{"delta":[]}', b"\xff")),
        (b"content_block_delta", b'{"delta":{"text":"\\ud800"}}'),
        (b"message_delta", b"x"),
        (b"message_stop", b"5"),
        *((b"", data) for data in (b"x", b"5", b"[DON")),
        (b"some_new_event", b"x"),
    ],
)
def test_refuses_what_is_no_event_of_an_answer(name: bytes, data: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        decode_event(ServerEvent(name, data))

    assert "C08" == caught.value.row


@pytest.mark.parametrize("body", [b"", b"5", b"[]", b'{"content":5}', b"[" * 100_000, b"\xff"])
def test_refuses_what_is_no_whole_answer(body: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        messages.decode(body)

    assert "C08" == caught.value.row
