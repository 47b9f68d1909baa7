"""How much memory this process holds."""

import ctypes
import os
import resource
import sys
from pathlib import Path

from llmsvc_server.chat.deadline import Clock

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TIDY_EVERY_S = 1.0


class Resident:
    """What is resident now."""

    def __init__(self, clock: Clock) -> None:
        """Go by `clock`, in seconds."""
        self._clock = clock
        self._tidied_s = -_TIDY_EVERY_S
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def exceeds(self, max_bytes: int) -> bool:
        """Return whether it is more, what glibc keeps for later use not counted."""
        if resident_bytes() <= max_bytes:
            return False
        now_s = self._clock()
        if self._trim is not None and now_s - self._tidied_s >= _TIDY_EVERY_S:
            self._tidied_s = now_s
            self._trim(0)  # some milliseconds
        return resident_bytes() > max_bytes


def resident_bytes() -> int:
    """Return what is resident; where nobody tells that, what was at most."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
