from collections import Counter
from collections.abc import Iterable

import pytest

from llmsvc_server.upstreams.turns import MIN_SWEPT, Turns


class Round:
    """Callers that take turns at so many places, one chat after the other.

    Attributes:
        waiting: How many chats of each caller wait.
        running: Whose chats run, oldest first.
        served: Who got a turn, in order.
    """

    def __init__(self, places: int = 1) -> None:
        self.turns = Turns()
        self.waiting: Counter[str] = Counter()
        self.running: list[str] = []
        self.served: list[str] = []
        self._places = places

    def ask(self, *callers: str) -> None:
        for caller in callers:
            if len(self.running) < self._places and not self.waiting.total():
                self._run(caller)
            else:
                self.turns.wait(caller)
                self.waiting[caller] += 1

    def end(self, caller: str | None = None) -> str:
        """End a chat, the oldest if it is nobody's in particular; return who is next."""
        ended = self.running[0] if caller is None else caller
        self.running.remove(ended)
        self.turns.end(ended)
        following = min(+self.waiting, key=self.turns.order)
        self.waiting[following] -= 1
        self._run(following)
        self.turns.leave(following)
        return following

    def ends(self, count: int) -> str:
        return "".join(self.end() for _ in range(count))

    def _run(self, caller: str) -> None:
        self.turns.begin(caller)
        self.running.append(caller)
        self.served.append(caller)


def shares(served: Iterable[str]) -> Counter[str]:
    return Counter(served)


def test_turns_go_round_however_many_each_has() -> None:
    turns = Round()
    turns.ask(*"ggggggggg", *"aaa", *"bbb")

    assert shares("gab") == shares(turns.ends(3)) == shares(turns.ends(3))
    assert "b" in turns.served


def test_who_comes_anew_is_next() -> None:
    turns = Round()
    turns.ask(*"ggggg")
    turns.ask("a")

    assert "agg" == turns.ends(3)


def test_who_always_comes_back_at_once_takes_every_other_turn() -> None:
    turns = Round()
    turns.ask(*"gggggggggg")
    for _ in range(4):
        turns.ask("a")
        assert "ag" == turns.ends(2)


def test_who_comes_back_at_once_gets_no_more_than_those_who_have_many_waiting() -> None:
    turns = Round()
    turns.ask(*"b" * 40, *"c" * 40)
    for _ in range(30):
        if not turns.waiting["a"] and "a" not in turns.running:
            turns.ask("a")
        _ = turns.end()
    got = shares(turns.served[-30:])

    assert max(got.values()) - min(got.values()) <= 1


def test_a_crowd_of_newcomers_keeps_nobody_waiting_for_ever() -> None:
    turns = Round()
    turns.ask(*"gggggggggg")
    for number in range(40):
        turns.ask(f"new {number}")
        _ = turns.end()

    assert "g" in turns.served[2:10]
    assert "g" in turns.served[20:]


def test_long_answers_buy_no_more_places() -> None:
    turns = Round(places=4)
    turns.ask(*"gggggggg")
    for _ in range(2):
        turns.ask("a", "a")
        _ = turns.end("g")

    assert shares("ggaa") == shares(turns.running)
    turns.ask("a")
    assert "a" == turns.end("a")
    assert "g" == turns.end("g")


def test_who_had_to_stand_back_for_its_long_answer_does_not_get_all_turns_after_it() -> None:
    turns = Round(places=2)
    turns.ask("g", "b", *"ggggg", *"b" * 40)
    for _ in range(20):
        _ = turns.end("b")
    served = "".join(turns.end() for _ in range(8))

    assert abs(served.count("g") - served.count("b")) <= 2


@pytest.mark.parametrize("hosts", [1, 10 * MIN_SWEPT])
def test_only_those_are_remembered_who_are_there(hosts: int) -> None:
    turns = Round()
    for number in range(20 * hosts):
        turns.ask(str(number % hosts), str((number + 1) % hosts))
        _ = turns.end()
        turns.running.clear()
        turns.turns.end(turns.served[-1])

    known = int(repr(turns.turns).split()[-2])
    assert known <= 2 * MIN_SWEPT


def test_what_a_caller_has_is_what_runs_and_what_waits() -> None:
    turns = Round()
    turns.ask(*"ggg")

    assert (3, 0) == (turns.turns.held("g"), turns.turns.held("a"))
