"""Pieces of an answer become parts: numbered, folded, whatever comes between what."""

import pytest

from llmsvc_server.chat.events import Delta, pieces_of
from llmsvc_server.chat.features import ResponseFormat, Tool
from llmsvc_server.chat.parts import (
    AnswerParts,
    CallPiece,
    Part,
    PartNumbers,
    Piece,
    Refusal,
    ToolCall,
    ToolResult,
    said_in,
    text_of,
)


def folded(*pieces: Piece) -> tuple[list[int], tuple[Part, ...]]:
    parts = AnswerParts()
    return [parts.add(piece) for piece in pieces], parts.fold()


def test_text_in_pieces_is_one_part() -> None:
    assert ([0, 0], ("hello",)) == folded("hel", "lo")


def test_a_call_in_pieces_is_one_part_with_its_arguments_as_they_were_written() -> None:
    numbers, parts = folded(
        CallPiece(id="1", name="f", arguments_json='{"a"'), CallPiece(arguments_json=": 1}")
    )

    assert [0, 0] == numbers
    assert (ToolCall(id="1", name="f", arguments_json='{"a": 1}'),) == parts


def test_each_call_and_each_change_of_kind_begins_a_part() -> None:
    numbers, parts = folded("a", CallPiece(id="1", name="f"), CallPiece(id="2", name="f"), "b", "c")

    assert [0, 1, 2, 3, 3] == numbers
    assert ["a", "1", "2", "bc"] == [one if isinstance(one, str) else named(one) for one in parts]


def named(part: Part) -> str:
    assert isinstance(part, ToolCall)
    return part.id


def test_pieces_follow_text_that_was_taken_the_short_way() -> None:
    parts = AnswerParts()
    parts.add_text("a")
    parts.add_text("b")

    assert 1 == parts.add(CallPiece(id="1", name="f"))
    assert "ab" == text_of(parts.fold())


def test_an_empty_answer_has_no_part() -> None:
    assert () == AnswerParts().fold()


def test_a_refusal_is_a_part_of_its_own_however_it_is_cut() -> None:
    call = CallPiece(id="1", name="f", arguments_json="{}")
    numbers, parts = folded(
        "a", Refusal(text="I "), Refusal(text="can't."), call, Refusal(text="No.")
    )

    assert [0, 1, 1, 2, 3] == numbers
    assert ("a", Refusal(text="I can't."), Refusal(text="No.")) == (*parts[:2], parts[3])
    assert ("a", "aI can't.No.") == (text_of(parts), said_in(parts))


def test_numbers_without_folding_are_the_same() -> None:
    pieces: list[Piece] = [
        "a",
        Refusal(text="b"),
        "c",
        CallPiece(id="1", name="f"),
        CallPiece(),
        "d",
    ]
    behind_text = PartNumbers(begins_with="a")
    numbers = PartNumbers()

    assert folded(*pieces)[0] == [numbers.take(piece) for piece in pieces]
    assert folded(*pieces)[0][1:] == [behind_text.take(piece) for piece in pieces[1:]]


@pytest.mark.parametrize(
    "value",
    [
        CallPiece(id="1", name="f", arguments_json="SECRET"),
        ToolCall(id="1", name="f", arguments_json="SECRET"),
        ToolResult(call_id="1", content="SECRET"),
        Refusal(text="SECRET"),
        Delta("SECRET"),
        pieces_of(["SECRET", CallPiece(arguments_json="SECRET")]),
        Tool(name="f", description="SECRET", parameters_json_schema="SECRET"),
        ResponseFormat(json_schema="SECRET"),
    ],
)
def test_what_callers_and_models_say_is_kept_out_of_repr(value: object) -> None:
    assert "SECRET" not in repr(value)


def test_what_was_written_in_pieces_is_their_text() -> None:
    assert "af{}" == pieces_of(["a", CallPiece(id="1", name="f", arguments_json="{}")]).text
