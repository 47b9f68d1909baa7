import pytest

from llmsvc_server.chat.usage import estimated_tokens


@pytest.mark.parametrize(("letters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_four_letters_are_a_token(letters: int, tokens: int) -> None:
    assert tokens == estimated_tokens(letters)
