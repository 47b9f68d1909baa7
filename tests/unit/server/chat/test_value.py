import dataclasses

import pytest

from llmsvc_server.chat.value import value


@value
class Point:
    x: int
    hidden: str = dataclasses.field(default="", repr=False)


def test_values_are_compared_by_content_and_can_be_keys() -> None:
    assert Point(x=1) == Point(x=1)
    assert Point(x=1) != Point(x=2)
    assert {Point(x=1): "a"} == {Point(x=1): "a"}


def test_a_value_shows_what_it_may() -> None:
    assert "Point(x=1)" == repr(Point(x=1, hidden="text")).rpartition(".")[2]


def test_fields_are_given_by_name_and_no_others_exist() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Point(x=1).y = 2  # type: ignore[attr-defined]
