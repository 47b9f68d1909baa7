from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.parts import AnswerParts, text_of


@given(st.lists(st.text()))
def test_pieces_of_text_are_one_part_the_first_or_none(pieces: list[str]) -> None:
    parts = AnswerParts()
    for piece in pieces:
        parts.add_text(piece)

    whole = "".join(pieces)

    assert ((whole,) if whole else ()) == parts.fold()
    assert parts.index == 0


@given(st.lists(st.text()).map(tuple))
def test_parts_say_what_their_texts_do(parts: tuple[str, ...]) -> None:
    assert "".join(parts) == text_of(parts)
