"""A file that somebody names: read as a whole, up to a bound."""

import stat
from pathlib import Path


def read_bytes(path: str, max_bytes: int) -> bytes:
    """Return all that a file or pipe holds.

    Args:
        path: Names it.
        max_bytes: It may not hold more.

    Raises:
        OSError: It can't be read.
        ValueError: It is no file, or too large; says so for people.
    """
    if "\0" in path:  # each Python has words of its own for it
        raise ValueError("its name holds a null byte")
    file = Path(path)
    mode = file.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError("it is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise ValueError("it is not a file")
    with file.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"it has more than {max_bytes} bytes")
    return data
