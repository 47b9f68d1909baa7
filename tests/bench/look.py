"""Asks a watched process what `tests.bench.watched` has to say."""

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.bench.failure import NotMeasuredError
from tests.bench.procs import Subject

T = TypeVar("T")
_PATIENCE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Into one process."""

    subject: Subject
    reports: Path

    def entered(self) -> dict[str, int]:
        """Return how many frames each function of ours had since the last look."""
        return self._ask(signal.SIGUSR1, dict[str, int])

    def in_use_bytes(self) -> int:
        """Return the bytes that its allocators have handed out."""
        return self._ask(signal.SIGUSR2, int)

    def _ask(self, number: signal.Signals, kind: type[T]) -> T:
        known = len(self._lines())
        self.subject.tell(number)
        deadline_s, pause = time.monotonic() + _PATIENCE_S, threading.Event()
        while time.monotonic() < deadline_s:
            lines = self._lines()
            if len(lines) > known:
                return msgspec.json.decode(lines[-1], type=kind)
            pause.wait(0.005)
        raise NotMeasuredError("the watched process says nothing")

    def _lines(self) -> list[str]:
        """Return the whole lines."""
        if not self.reports.exists():
            return []
        return self.reports.read_text(encoding="utf-8").split("\n")[:-1]
