from llmsvc_server.schemas.remembered import MAX_CHARACTERS, MAX_TEXTS, Remembered


class Maker:
    """Makes a length of a text, and knows of which."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self, text: str) -> int:
        self.made.append(text)
        return len(text)


def test_the_same_text_is_made_once() -> None:
    maker = Maker()
    remembered = Remembered(maker.make)
    assert [remembered("ab"), remembered("ab"), remembered("a")] == [2, 2, 1]
    assert maker.made == ["ab", "a"]


def test_what_was_not_asked_for_the_longest_is_let_go() -> None:
    maker = Maker()
    remembered = Remembered(maker.make)
    for number in range(MAX_TEXTS):
        remembered(str(number))
    for text in ("0", "new", "0", "1"):
        remembered(text)
    assert maker.made[MAX_TEXTS:] == ["new", "1"]


def test_long_texts_are_fewer() -> None:
    maker = Maker()
    remembered = Remembered(maker.make)
    for text in ("a", "b" * MAX_CHARACTERS, "a"):
        remembered(text)
    assert list(map(len, maker.made)) == [1, MAX_CHARACTERS, 1]


def test_what_weighs_more_than_its_text_counts_for_more() -> None:
    maker = Maker()
    remembered = Remembered(maker.make, lambda _: MAX_CHARACTERS // 2)
    for text in ("a", "b", "b", "a"):
        remembered(text)
    assert maker.made == ["a", "b", "a"]
