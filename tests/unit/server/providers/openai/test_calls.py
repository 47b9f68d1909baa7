"""What becomes of tool calls, however servers put them and however the network cuts them."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta, Done, Pieces, SignOfLife, pieces_in
from llmsvc_server.chat.features import Features, Tool, ToolChoice
from llmsvc_server.chat.parts import AnswerParts, CallPiece, Part, ToolCall
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.openai.reader import OpenaiReader
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from tests.fakes.openai_stage import encode
from tests.fakes.requests import chat_request
from tests.unit.server.providers.openai.chunks import DONE, chunk, error, finish, text
from tests.unit.server.providers.openai.outcomes import events_of

Entry = dict[str, object]
EXACT = '{"z":9007199254740993, "a":[1.50,{"\\"}":"\\\\"}],"s":"\\u00e9 \u4f60"}'
END = finish("tool_calls") + DONE
A = ToolCall(id="a", name="f", arguments_json='{"x":1}')
B = ToolCall(id="b", name="g", arguments_json='{"y":2}')


def offer(*, single_call: bool = False) -> ToolCalls:
    request = replace(
        chat_request(),
        features=Features(
            tools=(Tool(name="f"), Tool(name="g")), choice=ToolChoice(single_call=single_call)
        ),
        is_plain=False,
    )
    calls = ToolCalls.of(request)
    assert calls is not None
    return calls


def entry(
    index: object = None, call_id: object = None, name: object = None, arguments: object = None
) -> Entry:
    """Return an entry of a chunk's `tool_calls`: None leaves a key out."""
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": call_id}
    return {
        **{key: one for key, one in fields.items() if one is not None},
        "type": "function",
        "function": {key: one for key, one in function.items() if one is not None},
    }


def calls(*entries: object) -> bytes:
    return chunk({"tool_calls": list(entries)})


def told(
    reads: Iterable[bytes], *, single_call: bool = False, is_whole: bool = False
) -> tuple[tuple[Part, ...], Done]:
    """Return parts and end, after a check that pieces are of the part that grows."""
    parts = AnswerParts()
    answer = events_of(reads, calls=offer(single_call=single_call), is_whole=is_whole)
    for event in answer:
        if isinstance(event, Done):
            return tuple(part for part in parts.fold() if part), event
        for piece in pieces_in(event) if isinstance(event, Delta) else ():
            if isinstance(piece, CallPiece):
                assert bool(piece.id) == bool(piece.name)
            parts.add(piece)
    raise AssertionError("it has no end")


def parts_of(*reads: bytes) -> tuple[Part, ...]:
    return told(reads)[0]


def is_made(call: Part) -> bool:
    return isinstance(call, ToolCall) and call.id.startswith("call_") and len(call.id) == 29


IN_PIECES = (
    calls(entry(0, "a", "f", ""))
    + calls(entry(0, arguments='{"x"'))
    + calls(entry(0, arguments=":1}"))
)

FORMS = {
    "in pieces": IN_PIECES + calls(entry(1, "b", "g", '{"y":2}')),
    "whole, in one chunk": calls(entry(0, "a", "f", '{"x":1}'), entry(1, "b", "g", '{"y":2}')),
    "whole, one index": calls(entry(0, "a", "f", '{"x":1}')) + calls(entry(0, "b", "g", '{"y":2}')),
    "whole, no index": calls(entry(None, "a", "f", '{"x":1}'), entry(None, "b", "g", '{"y":2}')),
    "ids and names repeated": (
        calls(entry(0, "a", "f", '{"x"'))
        + calls(entry(0, "a", "f", ":1}"))
        + calls(entry(1, "b", "g", '{"y"'))
        + calls(entry(1, "b", "g", ":2}"))
    ),
    "empty ids and names behind the first": (
        calls(entry(0, "a", "f", '{"x"'))
        + calls(entry(0, "", "", ":1}"))
        + calls(entry(1, "b", "g", '{"y":2}'))
        + calls(entry(1, "", "", ""))
    ),
    "another id with each piece": (
        calls(entry(0, "a", "f", '{"x"'))
        + calls(entry(0, "a2", arguments=":1}"))
        + calls(entry(1, "b", "g", '{"y"'))
        + calls(entry(1, "b2", arguments=":2}"))
    ),
    "pieces by id alone": (
        calls(entry(None, "a", "f", '{"x"'))
        + calls(entry(None, "a", arguments=":1}"))
        + calls(entry(None, "b", "g", '{"y"'))
        + calls(entry(None, None, None, ":2}"))
    ),
    "mixed": (
        calls(entry(0, "a", "f", ""), entry(1, "b", "g", ""))
        + calls(entry(1, arguments='{"y"'))
        + calls(entry(0, arguments='{"x"'))
        + calls(entry(1, arguments=":2}"), entry(0, arguments=":1}"))
    ),
    "mixed, and the first ends last": (
        calls(entry(0, "a", "f", "{"))
        + calls(entry(1, "b", "g", '{"y":2}'))
        + calls(entry(0, arguments='"x":1}'))
    ),
    "a name behind the id": (
        calls(entry(0, "a"))
        + calls(entry(0, None, "f", '{"x":1}'))
        + calls(entry(1, "b", None, '{"y"'))
        + calls(entry(1, None, "g", ":2}"))
    ),
    "as objects": (calls(entry(0, "a", "f", {"x": 1}), None, entry(1, "b", "g", {"y": 2}))),
}


@pytest.mark.parametrize("answer", FORMS.values(), ids=FORMS.keys())
def test_gives_calls_in_order_however_they_are_put(answer: bytes) -> None:
    parts, done = told([answer, END])

    assert (A, B) == parts
    assert (FinishReason.TOOL_CALLS, "tool_calls", ()) == (
        done.finish_reason,
        done.provider_finish_reason,
        done.adjustments,
    )


@pytest.mark.parametrize("answer", FORMS.values(), ids=FORMS.keys())
def test_gives_the_same_however_the_network_cuts(answer: bytes) -> None:
    whole = answer + END
    for size in (1, 7, 64):
        places = [*range(0, len(whole), size), len(whole)]
        assert (A, B) == parts_of(*(whole[at:to] for at, to in itertools.pairwise(places)))


@pytest.mark.parametrize("word", ["stop", "tool_calls", "function_call", "eos"])
def test_ends_with_calls_whatever_the_server_says(word: str) -> None:
    _, done = told([IN_PIECES, finish(word), DONE])

    assert (FinishReason.TOOL_CALLS, word) == (done.finish_reason, done.provider_finish_reason)


def test_gives_pieces_as_they_come() -> None:
    reads = [calls(entry(0, "a", "f", "")), calls(entry(0, arguments="{")), END]
    events = list(events_of(reads, calls=offer()))

    assert ["Pieces", "Pieces", "Done"] == [type(event).__name__ for event in events]


def test_a_later_call_waits_with_a_sign_of_life() -> None:
    reads = [
        calls(entry(0, "a", "f", "{")),
        calls(entry(1, "b", "g", '{"y":2}')),
        calls(entry(0, arguments='"x":1}')),
        END,
    ]
    _, waits, rest, _ = events_of(reads, calls=offer())

    assert isinstance(waits, SignOfLife)
    assert isinstance(rest, Pieces)
    assert ["", "b"] == [one.id for one in rest.pieces if isinstance(one, CallPiece)]


@pytest.mark.parametrize("cut", range(1, len(EXACT)))
def test_keeps_arguments_byte_for_byte_wherever_they_are_cut(cut: int) -> None:
    answer = calls(entry(0, "a", "f", EXACT[:cut])) + calls(entry(0, arguments=EXACT[cut:]))

    assert (replace(A, arguments_json=EXACT), B) == parts_of(
        answer, calls(entry(1, "b", "g", '{"y":2}')), END
    )


def test_keeps_arguments_of_an_object_as_they_were_written() -> None:
    """Not their values: those lose digits and spaces."""
    head = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":'
    sent = head + b'{"name":"f","arguments":' + EXACT.encode() + b"}}]}}]}\n\n"

    assert (replace(A, arguments_json=EXACT),) == parts_of(sent, END)


def test_an_object_in_data_that_only_a_lenient_reader_takes_is_no_call() -> None:
    head = b'data: {"n":NaN,"choices":[{"delta":{"tool_calls":[{"id":"a","function":'

    with pytest.raises(ProviderError, match=ErrorKind.NONCONFORMING):
        parts_of(head + b'{"name":"f","arguments":{"x":1}}}]}}]}\n\n', END)


@pytest.mark.parametrize("arguments", [None, "", " "])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    first, second = parts_of(
        calls(entry(0, "a", "f", arguments)), calls(entry(1, "b", "g", '{"y":2}')), END
    )

    assert isinstance(first, ToolCall)
    assert {} == json.loads(first.arguments_json)
    assert B == second


def test_a_call_that_was_cut_stays_without_arguments() -> None:
    assert (replace(A, arguments_json=""),) == parts_of(
        calls(entry(0, "a", "f", "")), finish("length"), DONE
    )


def test_text_stands_where_it_was_said() -> None:
    assert ("Let me see.", A, "So.", B) == parts_of(
        text("Let me") + text(" see.") + IN_PIECES,
        text("So."),
        chunk({"content": "", "tool_calls": [entry(1, "b", "g", '{"y":2}')]}),
        END,
    )


def test_text_inside_a_call_comes_behind_it() -> None:
    assert (A, "\n\n", B) == parts_of(
        calls(entry(0, "a", "f", '{"x"')),
        text("\n\n"),
        calls(entry(0, arguments=":1}")),
        calls(entry(1, "b", "g", '{"y":2}')),
        END,
    )


def test_blanks_behind_a_call_are_none_of_the_next() -> None:
    assert (A, B) == parts_of(FORMS["in pieces"] + calls(entry(0, arguments="\n")), END)


def test_a_call_that_never_becomes_whole_holds_nothing_back_for_ever() -> None:
    broken = replace(A, arguments_json='{"x":')

    assert (broken, "So.", B) == parts_of(
        calls(entry(0, "a", "f", '{"x":')) + text("So."), calls(entry(1, "b", "g", '{"y":2}')), END
    )


@pytest.mark.parametrize("with_id", [None, "", 5, "\u4f60", "a" * 300])
def test_makes_an_id_where_there_is_none(with_id: object) -> None:
    [call] = parts_of(calls(entry(0, with_id, "f", "{}")), END)

    assert is_made(call)


def test_makes_another_id_where_one_is_repeated() -> None:
    first, second = parts_of(
        calls(entry(0, "a", "f", '{"x":1}'), entry(1, "a", "f", '{"x":1}')), END
    )

    assert A == first
    assert is_made(second)


def test_holds_a_single_call() -> None:
    parts, done = told([FORMS["mixed"], END], single_call=True)

    assert (A,) == parts
    assert ["tool_choice.single_call"] == [one.field for one in done.adjustments]


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "tool_calls": [entry(None, "a", "f", '{"x":1}')]},
        {"content": "", "tool_calls": [entry(0, "a", "f", {"x": 1})]},
        {"content": None, "tool_calls": entry(0, "a", "f", '{"x":1}')},
    ],
)
def test_takes_calls_of_one_body(message: dict[str, object]) -> None:
    body = json.dumps(
        {"choices": [{"message": message, "finish_reason": "stop"}]}, separators=(",", ":")
    )
    parts, done = told([body.encode()], is_whole=True)

    assert (A,) == parts
    assert FinishReason.TOOL_CALLS is done.finish_reason


def test_calls_of_one_body_are_one_each() -> None:
    message = {"tool_calls": [entry(0, None, "f", ""), entry(0, None, "f", "")]}
    parts, _ = told(
        [encode({"choices": [{"message": message, "finish_reason": "tool_calls"}]})], is_whole=True
    )

    assert ["{}", "{}"] == [one.arguments_json for one in parts if isinstance(one, ToolCall)]


def test_takes_the_older_form_of_a_call() -> None:
    first, *rest = parts_of(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"x":1}'}}),
        finish("function_call"),
        DONE,
    )

    assert is_made(first)
    assert isinstance(first, ToolCall)
    assert ("f", '{"x":1}', []) == (first.name, first.arguments_json, rest)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(calls(entry(0, "a", "h", "{}")), id="no such function"),
        pytest.param(calls(entry(0, "a", None, "{}")), id="no name"),
        pytest.param(calls(entry(0, "a", 5, "{}")), id="a name that is no text"),
        pytest.param(calls("f"), id="no object"),
        pytest.param(calls({"function": "f"}), id="no function"),
        pytest.param(chunk({"tool_calls": "f"}), id="no list"),
        pytest.param(
            FORMS["in pieces"] + calls(entry(0, arguments="}")), id="more of what is whole"
        ),
        pytest.param(calls(*(entry(n, None, "f", "{}") for n in range(200))), id="too many"),
        pytest.param(
            calls(entry(0, "a", "f", "{"), *(entry(n, None, "g") for n in range(1, 200))),
            id="too many that wait",
        ),
        pytest.param(
            calls(entry(0, "a", "f", "{")) + calls(entry(1, "b", "g", "x" * 70_000)),
            id="too much that waits",
        ),
        pytest.param(calls(entry(0, "a", "f", "x" * 70_000)), id="too long"),
    ],
)
def test_a_call_that_nobody_can_run_fails(answer: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        parts_of(answer, END)

    assert (ErrorKind.NONCONFORMING, "toolCall") == (caught.value.kind, caught.value.cause)


def test_what_waits_is_counted_and_let_go() -> None:
    kept = Unfinished(1_000_000)
    reader = OpenaiReader(Tails(kept), is_local=False, calls=offer())
    reader.take(calls(entry(0, "a", "f", "{")))
    for number in range(1, 5):
        reader.take(calls(entry(number, f"c{number}", "g", f'"{"x" * 60_000}"')))
    assert 100_000 < kept.bytes

    reader.take(calls(entry(0, arguments="}")) + calls(entry(5, "b", "g", "{}")) + END)

    assert 0 == kept.bytes


def test_too_much_that_waits_fails() -> None:
    reader = OpenaiReader(Tails(Unfinished(300_000)), is_local=False, calls=offer())
    reader.take(calls(entry(0, "a", "f", "{")))

    late = [calls(entry(number, f"c{number}", "g", "x" * 60_000)) for number in range(1, 9)]

    with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED):
        _ = list(map(reader.take, late))


def test_a_failure_behind_the_reason_is_one() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
        parts_of(IN_PIECES, finish("tool_calls"), error(code=500), DONE)


def test_a_call_behind_the_reason_takes_it_back() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT) as caught:
        parts_of(IN_PIECES, finish("tool_calls"), calls(entry(1, "b", "g", '{"y":2}')), DONE)

    assert "C07" == caught.value.row


def test_the_end_of_the_body_ends_calls() -> None:
    assert (replace(A, arguments_json="{}"),) == parts_of(
        calls(entry(0, "a", "f", "")), finish("tool_calls")
    )
