"""Settings in words, as refusals and the documentation use them."""

import pytest

from llmsvc_server.config.keys import find, keys
from llmsvc_server.config.words import describe_allowed, escape_halves, format_value, quote

ALLOWED = {
    "server.reflection": "true or false",
    "server.health_listen": "HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051; port 0 takes a free"
    " one or null",
    "server.max_chats": "a whole number from 1 to 100000",
    "health.require": "any, local, none",
    "health.refresh_s": "a number from 0.1 to 300",
    "llm.providers.ollama.kind": "ollama",
    "llm.providers.ollama.num_ctx": "a whole number from 4 to 10000000 or null",
    "llm.privacy": "local_only or null",
    "llm.providers.ollama.serve_models": "any, configured",
    "llm.providers.openai.api_key": "a key as the vendor gave it, or null",
    "llm.providers.gpu_1.model": "a model's name such as phi3:mini",
}


@pytest.mark.parametrize("path", ALLOWED)
def test_what_is_allowed_is_said_in_words(path: str) -> None:
    field = find(tuple(path.split(".")))

    assert field is not None
    assert ALLOWED[path] == describe_allowed(field)


def test_every_setting_says_what_it_takes() -> None:
    assert [] == [place for place, field in keys().items() if not describe_allowed(field)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (True, "true"), (5.0, "5"), (0.1, "0.1"), (16777216, "16777216"), ("a", "a")],
)
def test_values_are_written_as_people_do(value: object, expected: str) -> None:
    assert expected == format_value(value)


def test_strangers_words_are_kept_short_and_printable() -> None:
    assert quote("two\nlines") == "two\\nlines"
    assert quote("\u00fcber") == "\u00fcber"
    assert len(quote("x" * 1000)) == 83


def test_half_characters_are_escaped() -> None:
    assert escape_halves("\ud800\udcff") == "\\ud800\\udcff"
