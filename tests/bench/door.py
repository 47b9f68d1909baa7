"""The ways in which a server of ours takes calls, each a column of its own in every row."""

from enum import StrEnum


class Door(StrEnum):
    """Which server is measured."""

    IN_LOOP = "in_loop"
    AIO = "aio"
    BEFORE = "before"
    """An older server, of another environment, that has one door and no word for it."""
