import pytest

from llmsvc_client.cli.printable import one_line, printable


@pytest.mark.parametrize("text", ["plain\n\ttext", "grüß 你好 🙂", "العربية", ""])
def test_leaves_ordinary_text_as_it_is(text: str) -> None:
    assert text == printable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x1b]52;c;Zm9v\x07", "␛]52;c;Zm9v␇"),
        ("\x00\x08\x7f", "␀␈␡"),
        ("\x9b2J", "\N{REPLACEMENT CHARACTER}2J"),
        ("over\rwrite\r\n", "overwrite\n"),
    ],
)
def test_shows_what_would_command_the_terminal(text: str, shown: str) -> None:
    assert shown == printable(text)


def test_no_control_character_is_left() -> None:
    controls = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))

    assert {"\n", "\t"} == set(controls) & set(printable(controls))


def test_makes_one_line_of_several() -> None:
    assert "a b ␛c" == one_line(" a\nb\r\n\x1bc\n")
