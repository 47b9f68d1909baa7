"""Any conversation with calls is one that Anthropic takes, and nothing of it is lost."""

import json
from collections.abc import Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.parts import Part, Refusal, ToolCall, ToolResult, written_in
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.providers.anthropic.features import extras_of
from llmsvc_server.providers.anthropic.settings import settings_for
from llmsvc_server.providers.anthropic.wire import encode_chat
from tests.fakes.anthropic_blocks import block_faults

texts = st.sampled_from(["", " \n", "So?", "Grüße 世界"])
ids = st.sampled_from(["call_0", "call_1", "toolu_1", "odd id", "functions.f:0", "x" * 200, "ß"])
arguments = st.sampled_from(
    ["{}", '{"n":  9007199254740993}', '{"b":1, "a":[1.50]}', '{"ü":"\\u00fc"}']
)


@st.composite
def rounds(draw: st.DrawFn) -> Sequence[Message]:
    """Return what the assistant says and calls, the results, and what the user says then."""
    own = draw(st.lists(ids, unique=True, max_size=3))
    calls = [
        ToolCall(id=one, name=f"f{n}", arguments_json=draw(arguments)) for n, one in enumerate(own)
    ]
    parts: list[Part] = [draw(texts), *calls, Refusal(text=draw(texts)), draw(texts)]
    if not own:
        parts = parts[: draw(st.integers(0, 3))]
    results = [
        ToolResult(call_id=one, content=draw(texts), failed=draw(st.booleans())) for one in own
    ]
    messages = [Message(role=Role.ASSISTANT, parts=tuple(parts))]
    messages += [Message(role=Role.TOOL, parts=(one,)) for one in draw(st.permutations(results))]
    if not own or draw(st.booleans()):
        messages.append(Message(role=Role.USER, parts=(draw(texts),)))
    return messages


@given(st.lists(rounds(), max_size=4))
def test_any_history_is_taken_and_nothing_of_it_is_lost(
    history: Sequence[Sequence[Message]],
) -> None:
    first, last = (Message(role=Role.USER, parts=(text,)) for text in ("Hi", "And?"))
    asked = ChatRequest(
        model="claude-x",
        messages=(first, *(one for messages in history for one in messages), last),
        sampling=Sampling(),
        delivery=Delivery.WHOLE,
        is_plain=False,
    )
    settings = settings_for("claude-x", asked.sampling, temperature=None, max_tokens=10)
    body = encode_chat(asked, settings, extras_of(asked))
    sent = json.loads(body)

    assert not list(block_faults(sent))
    parts = [part for message in asked.messages for part in message.parts]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    blocks = [block for message in sent["messages"] for block in message["content"]]
    uses = [block for block in blocks if block["type"] == "tool_use"]
    assert [(one.name, json.loads(one.arguments_json)) for one in calls] == [
        (one["name"], one["input"]) for one in uses
    ]
    assert all(f'"input":{one.arguments_json}'.encode() in body for one in calls)
    results = [block for block in blocks if block["type"] == "tool_result"]
    assert [(part.content, part.failed) for part in parts if isinstance(part, ToolResult)] == [
        (one["content"], one.get("is_error", False)) for one in results
    ]
    _check_pairs(parts, uses, results)
    said = [written_in(part) for part in parts if isinstance(part, str | Refusal)]
    assert list(filter(str.strip, said)) == [
        block["text"] for block in blocks if block["type"] == "text"
    ]


def _check_pairs(
    parts: Sequence[Part], uses: Sequence[dict[str, str]], results: Sequence[dict[str, str]]
) -> None:
    """Check that each result is still that of its call."""
    numbers, latest = count(), {}
    of_results = []
    for part in parts:
        if isinstance(part, ToolCall):
            latest[part.id] = next(numbers)
        elif isinstance(part, ToolResult):
            of_results.append(uses[latest[part.call_id]]["id"])
    assert of_results == [one["tool_use_id"] for one in results]
