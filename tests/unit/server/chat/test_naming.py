import pytest

from llmsvc_server.chat.naming import MAX_LENGTH, is_plain, join_names


@pytest.mark.parametrize("name", ["phi3:mini", "hf.co/a/b:Q4_K_M", "m@1", "7b", "x" * 64])
def test_a_models_usual_name_is_plain(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "\x1b[2J", "-rf", "a`b`", "x" * 65])
def test_what_could_do_harm_in_a_sentence_is_not(name: str) -> None:
    assert not is_plain(name)


def test_few_are_listed_in_order_and_the_others_counted() -> None:
    assert "" == join_names(["a b"])
    assert "a, b" == join_names(["b", "a", "b"])
    assert "a, b, c, d, e and 2 more" == join_names("gfedcba")


def test_long_names_make_the_list_shorter() -> None:
    shown = join_names(f"{letter * 60}" for letter in "abc")

    assert f"{'a' * 60} and 2 more" == shown
    assert len(shown) < MAX_LENGTH
