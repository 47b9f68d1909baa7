import asyncio

from llmsvc_server.health.board import Board
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.listening_reporter import ListeningReporter

START = {"": False, "liveness": True, "readiness": False, "provider/ollama": False}


def told(reporter: ListeningReporter) -> list[tuple[str, str]]:
    return [(change.name, change.state) for change in reporter.changes]


def test_the_table_is_what_was_published_last() -> None:
    board = Board(START, ListeningReporter())
    board.publish({"liveness": True})

    assert {"liveness": True} == board.table


async def test_each_change_wakes_who_watches_once() -> None:
    board = Board(START, ListeningReporter())
    first = board.change()
    board.publish({**START, "readiness": True})
    second = board.change()
    board.publish(START)

    assert first.is_set()
    assert second.is_set()
    assert not board.change().is_set()


async def test_what_does_not_change_wakes_nobody() -> None:
    reporter = ListeningReporter()
    board = Board(START, reporter)
    event = board.change()
    board.publish(dict(START))

    assert not event.is_set()
    assert [] == told(reporter)


async def test_many_who_watch_are_all_woken() -> None:
    board = Board(START, ListeningReporter())
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for _ in range(100):
            _ = group.create_task(board.change().wait())
        board.publish({})

    assert {} == board.table


def test_only_a_change_of_readiness_is_told() -> None:
    reporter = ListeningReporter()
    board = Board(START, reporter)
    ready = {**START, "": True, "readiness": True}
    for table in (ready, {**ready, "provider/ollama": True}, {**ready, "model/a": False}, START):
        board.publish(table)

    assert [("readiness", "SERVING"), ("readiness", "NOT_SERVING")] == told(reporter)
    assert {"health"} == {change.subject for change in reporter.changes}


def test_a_drain_turns_everything_but_liveness_for_good_and_is_told_elsewhere() -> None:
    reporter = ListeningReporter()
    board = Board({**START, "": True, "readiness": True}, reporter)
    event = board.change()
    board.drain()
    board.publish({"": True, "readiness": True})

    assert {**START, "": False, "readiness": False, "liveness": True} == board.table
    assert board.draining
    assert event.is_set()
    assert [] == told(reporter)


def test_a_second_drain_changes_nothing() -> None:
    board = Board({"liveness": True, "readiness": True}, ListeningReporter())
    board.drain()
    board.drain()

    assert {"liveness": True, "readiness": False} == board.table


def test_the_board_keeps_its_own_table() -> None:
    table = dict(START)
    board = Board(table, ListeningReporter())
    table["readiness"] = True

    assert not board.table["readiness"]
