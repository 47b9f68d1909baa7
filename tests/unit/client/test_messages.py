"""A turn: one text as ever, or several parts."""

import copy
import dataclasses
import pickle

import pytest

from llmsvc_client import Message, Part, Refusal, Role, UnknownPart, assistant, system, user

HELLO = Message(Role.ASSISTANT, parts=["Hel", "", "lo"])


def test_a_text_is_one_part() -> None:
    assert ("hi",) == Message(Role.USER, "hi").parts == user("hi").parts
    assert "hi" == Message(role=Role.USER, text="hi").text
    assert user("hi") == Message("user", "hi")  # type: ignore[arg-type]  # works all the same


def test_parts_are_kept_in_order_and_their_texts_joined() -> None:
    assert (("Hel", "lo"), "Hello") == (HELLO.parts, HELLO.text)
    assert assistant("Hello") != HELLO


def test_the_text_of_a_part_that_is_newer_than_the_client_counts() -> None:
    newer: list[Part] = [UnknownPart("secret", b"bytes"), "lo", UnknownPart("", None)]

    assert "secretlo" == Message(Role.ASSISTANT, parts=newer).text
    assert "secret" not in repr(newer)
    assert "bytes" not in repr(newer)


@pytest.mark.parametrize("turn", [user(""), Message(Role.USER), Message(Role.USER, parts=["", ""])])
def test_an_empty_text_is_no_part(turn: Message) -> None:
    assert ((), "") == (turn.parts, turn.text)


def test_a_refusal_is_no_text() -> None:
    turn = Message(Role.ASSISTANT, parts=["a", Refusal("secret "), "b", Refusal("words")])

    assert ("ab", "secret words") == (turn.text, turn.refusal)
    assert "" == user("hi").refusal
    assert "secret" not in repr(turn.parts)


def test_a_text_and_parts_together_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Message\(role, text\), or Message\(role, parts="):
        Message(Role.USER, "a", parts=["b"])
    with pytest.raises(TypeError, match=r"parts="):
        dataclasses.replace(user("a"), text="b")  # type: ignore[call-arg]  # on purpose


def test_a_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match=r"parts=\[\.\.\.\]"):
        Message(Role.USER, parts="hello")


def test_a_turn_is_taken_apart_as_role_and_text() -> None:
    match system("be brief"):
        case Message(Role.SYSTEM, text):
            assert "be brief" == text
        case _:
            pytest.fail("no match")


def test_a_turn_is_a_value() -> None:
    assert {HELLO} == {copy.deepcopy(HELLO), pickle.loads(pickle.dumps(HELLO))}  # noqa: S301  our own
    assert Message(Role.USER, parts=HELLO.parts) == dataclasses.replace(HELLO, role=Role.USER)
    with pytest.raises(dataclasses.FrozenInstanceError):
        HELLO.parts = ()  # type: ignore[misc]  # on purpose
