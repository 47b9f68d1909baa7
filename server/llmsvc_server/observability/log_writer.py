"""Lines on their way to the log: who logs never waits for who reads."""

import contextlib
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, Self

MAX_BYTES = 2 * 2**20
MAX_LINES = 5_000
"""What may wait to be written, besides the bytes: a line is an object of its own."""

PAUSE_S = 0.05
"""After a write; what comes meanwhile goes together, and wakes nobody."""

FLUSH_S = 1.0
"""What the last lines may take to be written; a reader that pauses must not hold the exit up."""

FLUSH_LOOKS = 20
"""In so many parts: of a second in which the machine ran others, one part is gone, not all."""


class Raw(Protocol):
    """An unbuffered binary stream: what a dead pipe leaves in a buffer fails again at exit."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...

    def write(self, text: bytes, /) -> int | None:
        """Write some of it; return how much, None if it would block.

        Raises:
            OSError: Nobody reads, or the disk is full.
            ValueError: The stream is closed.
        """
        ...


class LogWriter:
    """Writes whole lines, in order, on a thread of its own while it is entered.

    Where the log's reader pauses, is gone, or has no room, lines are lost, and nothing else: no
    call waits or fails. How many were lost is reported as soon as something can be written again.
    """

    def __init__(self, raw: Raw, describe_loss: Callable[[int], bytes]) -> None:
        """Write to `raw`; `describe_loss` returns the line that says how many were lost."""
        self._raw = raw
        self._describe_loss = describe_loss
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        # One that its thread may take again: a finalizer that logs can run inside of `put`.
        self._lock = threading.RLock()
        self._is_idle = True
        self._work, self._end = threading.Lock(), threading.Lock()
        self._work.acquire()
        self._end.acquire()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._unreported = 0
        self._is_torn = False

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is left, unless that takes longer than `FLUSH_S`."""
        self._end.release()
        with self._lock:
            if self._is_idle:
                self._is_idle = False
                self._work.release()
        for _look in range(FLUSH_LOOKS):
            self._thread.join(FLUSH_S / FLUSH_LOOKS)

    def put(self, line: bytes) -> None:
        """Take one line, its newline included; lose it where too many wait.

        Any thread may call this. It costs a microsecond and never waits.
        """
        with self._lock:
            has_room = self._bytes + len(line) <= MAX_BYTES and len(self._lines) < MAX_LINES
            if has_room and not self._lost:
                self._lines.append(line)
                self._bytes += len(line)
            else:
                self._lost += 1  # from here on all, so that it is one gap
            if self._is_idle:
                self._is_idle = False
                self._work.release()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            self._work.acquire()
            self._write_all()
            is_over = self._end.acquire(timeout=PAUSE_S)
        self._write_all()

    def _write_all(self) -> None:
        while lines := self._take():
            self._unreported += lines.count(b"\n", self._write(lines))
        if self._unreported:
            report = self._describe_loss(self._unreported)
            if self._write(report) == len(report):
                self._unreported = 0

    def _take(self) -> bytes:
        """Return the next lines, as many as a pipe takes in one piece; empty where none is left."""
        taken: list[bytes] = []
        room = select.PIPE_BUF
        with self._lock:
            while self._lines and (not taken or len(self._lines[0]) <= room):
                taken.append(self._lines.popleft())
                room -= len(taken[-1])
                self._bytes -= len(taken[-1])
            if not taken:
                self._unreported += self._lost
                self._lost = 0
                self._is_idle = True
        return b"".join(taken)

    def _write(self, text: bytes) -> int:
        """Return how much of it could be written: all, unless the reader is gone or has no room."""
        done = 0
        with contextlib.suppress(OSError, ValueError):
            if self._is_torn:
                self._raw.write(b"\n")
                self._is_torn = False
            while done < len(text):
                some = self._raw.write(text[done:])
                if some is None:  # whoever shares the stream made it non-blocking
                    select.select((), (self._raw,), ())
                done += some or 0
        if done:
            self._is_torn = text[done - 1 : done] != b"\n"
        return done
