import random

from llmsvc_server.routing.shares import Shares


def filled(shares: Shares, caller: str, amount: int = 1) -> int:
    """Take as much as there is room for, in such pieces; return how much that was."""
    taken = 0
    while shares.has_room(caller, amount):
        shares.add(caller, amount)
        taken += amount
    return taken


def test_one_alone_gets_all_but_what_is_kept_and_others_halve_that() -> None:
    shares = Shares(800, kept=100)

    assert 700 == filled(shares, "greedy")
    assert [50, 25, 13] == [filled(shares, name) for name in "abc"]
    assert not shares.has_room("greedy", 1)


def test_a_piece_larger_than_all_but_what_is_kept_is_for_who_has_none() -> None:
    shares = Shares(800, kept=100)

    assert shares.has_room("a", 800)
    assert not shares.has_room("a", 801)
    shares.add("a", 10)
    assert not shares.has_room("a", 790)


def test_who_was_given_too_much_takes_nothing_of_what_is_kept() -> None:
    shares = Shares(800, kept=100)
    shares.add("greedy", 5_000)

    assert 50 == filled(shares, "a")
    shares.add("greedy", -4_990)
    assert 640 <= filled(shares, "b")


def test_whatever_comes_and_goes_leaves_nothing_behind() -> None:
    chance = random.Random(7)  # noqa: S311  a test's own order
    shares = Shares(800, kept=100)
    given = [(chance.choice("abc"), chance.randrange(900)) for _ in range(300)]
    for caller, amount in given:
        shares.add(caller, amount)
    chance.shuffle(given)
    for caller, amount in given:
        shares.add(caller, -amount)

    assert 700 == filled(shares, "a")
