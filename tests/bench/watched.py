"""Our server, or a floor, run so that the benchmark can look into it. Nothing in either knows of it.

`python -m tests.bench.watched MODULE ...` is `python -m MODULE ...`, but for two signals. Each makes it
write one line of JSON to the file that WATCHED_TO names:

SIGUSR1: which Python functions of ours were entered since the last one, and how often. Counted by
`sys.setprofile` in the thread of the loop, from the first such signal on. A function is a code object whose
file lies in `llmsvc_server` or `llmsvc`; a frame is an event "call", which is one for each call of it, and one
for each time that a generator or coroutine goes on, since all that wait for each other are entered anew then.
What is written in C (msgspec, protobuf, grpcio's core, uvloop) has no frames, the standard library's and
aiohttp's are not ours.

SIGUSR2: how many bytes are in use, after a collection of garbage: what Python's allocator has handed out
(`sys._debugmallocstats`) and what the C library's has (`mallinfo2`). Unlike what is resident it does not
waver with how full pages are, so a leak shows while it is small.
"""

import ctypes
import gc
import json
import os
import re
import runpy
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import llmsvc.v1
import llmsvc_server

REPORTS = "WATCHED_TO"
"""Variable that names the file of the reports."""

_OURS = tuple(
    f"{Path(path).parent}{os.sep}" for path in (llmsvc_server.__file__, llmsvc.v1.__file__) if path
)
_IN_BLOCKS = re.compile(r"# bytes in allocated blocks\s+=\s+([\d,]+)")


class Entered:
    """Counts frames of ours, by function."""

    def __init__(self) -> None:
        self._counts: Counter[CodeType] = Counter()

    def count(self, frame: FrameType, event: str, _argument: object) -> None:
        """Count one event of the profiler."""
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            self._counts[frame.f_code] += 1

    def take(self) -> dict[str, int]:
        """Return frames by "file:line name", and begin anew."""
        taken, self._counts = self._counts, Counter()
        return {
            f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}": frames
            for code, frames in taken.items()
        }


class _CHeap(ctypes.Structure):
    """`struct mallinfo2` of glibc, malloc.h."""

    _fields_ = [  # type: ignore[mutable-override]  # as ctypes wants it
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def in_use_bytes() -> int:
    """Return the bytes that are handed out by both allocators."""
    while gc.collect():
        pass
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _CHeap
    c_heap = mallinfo2()
    arenas = _IN_BLOCKS.search(_python_says())
    if arenas is None:
        raise LookupError("Python says nothing of its blocks")
    return int(arenas[1].replace(",", "")) + int(c_heap.uordblks) + int(c_heap.hblkhd)


def _python_says() -> str:
    """Return what `sys._debugmallocstats` writes to standard error."""
    with tempfile.TemporaryFile() as sink:
        kept = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            sys._debugmallocstats()  # noqa: SLF001  it has no other name
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        sink.seek(0)
        return sink.read().decode()


def _watch() -> None:
    reports, entered = Path(os.environ[REPORTS]), Entered()

    def report(what: object) -> None:
        with reports.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(what) + "\n")

    def functions(_number: int, _frame: object) -> None:
        sys.setprofile(None)
        report(entered.take())
        sys.setprofile(entered.count)

    def memory(_number: int, _frame: object) -> None:
        report(in_use_bytes())

    signal.signal(signal.SIGUSR1, functions)
    signal.signal(signal.SIGUSR2, memory)


if __name__ == "__main__":
    _watch()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
