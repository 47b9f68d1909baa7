"""How much text an answer may have: what was asked for, and what anybody may."""

import pytest

from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.length import LETTERS_PER_TOKEN, Length

MANY = 10**9


def test_tokens_are_counted_in_letters_and_not_in_bytes() -> None:
    length = Length(2, max_bytes=MANY)
    length.add("é" * LETTERS_PER_TOKEN)
    length.add("x" * LETTERS_PER_TOKEN)
    as_many = length.is_over
    length.add("x")

    assert (False, True) == (as_many, length.is_over)


def test_without_a_number_of_tokens_bytes_alone_count() -> None:
    length = Length(None, max_bytes=4)
    length.add("éé")

    assert not length.is_over
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        length.add("x")


def test_what_was_cut_says_about_how_much_it_was() -> None:
    length = Length(1, max_bytes=MANY)
    length.add("x" * 400)
    ended = length.end()

    assert FinishReason.MAX_TOKENS is ended.finish_reason
    assert Usage(output_tokens=100, output_estimated=True) == ended.usage
