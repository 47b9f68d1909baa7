"""Text from elsewhere, made harmless for a terminal."""

from typing import Final

_PICTURES: Final = 0x2400  # Unicode's pictures of the C0 controls, in their order
_DELETE: Final = 0x7F
_HARMLESS: Final = "\n\t"

_SHOWN: Final = {
    **{code: chr(_PICTURES + code) for code in range(0x20) if chr(code) not in _HARMLESS},
    ord("\r"): None,  # it would let a later text overwrite an earlier one
    _DELETE: "\N{SYMBOL FOR DELETE}",
    **dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}"),  # C1, 8-bit escapes
}


def printable(text: str) -> str:
    """Return the text with its control characters made visible; newlines and tabs stay.

    An escape sequence from a model could otherwise rewrite the screen, the title or the clipboard.
    """
    return text.translate(_SHOWN)


def one_line(text: str) -> str:
    """Return the text as one printable line."""
    return printable(" ".join(text.split()))
