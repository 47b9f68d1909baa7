import contextlib
import fcntl
import io
import os
import threading
from collections.abc import Iterator

import pytest
from typing_extensions import override

from llmsvc_server.observability.log_writer import MAX_BYTES, MAX_LINES, LogWriter
from tests.fakes.eventually import PATIENCE_S


def told(count: int) -> bytes:
    return b"lost %d\n" % count


class Disk(io.BytesIO):
    """Takes what is written while it has room, and none beyond."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.refused = threading.Event()

    @override
    def write(self, text: bytes, /) -> int:  # type: ignore[override]  # bytes are all it gets
        if not self.room:
            self.refused.set()
            raise OSError("full")
        done = super().write(text[: self.room])
        self.room -= done
        return done


class Reader:
    """A pipe whose reader pauses until it is told to read."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        self.raw = open(writing, "wb", buffering=0)  # noqa: SIM115, PTH123  closed by `rest`
        self.size = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)

    def some(self, size: int) -> bytes:
        """Read so many bytes."""
        return os.read(self._reading, size)

    def rest(self) -> bytes:
        """Close the writer's end, read what is left, and leave."""
        self.raw.close()
        with open(self._reading, "rb") as reading:  # noqa: PTH123  a descriptor
            return reading.read()


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    with contextlib.suppress(OSError):
        reader.rest()


def test_lines_are_written_whole_and_in_order() -> None:
    raw = io.BytesIO()
    lines = [b"%d %s\n" % (number, b"x" * (number % 700)) for number in range(2000)]
    with LogWriter(raw, told) as writer:
        for line in lines:
            writer.put(line)

    assert b"".join(lines) == raw.getvalue()


def test_a_line_is_written_soon_without_another() -> None:
    written = threading.Event()

    class Raw(io.BytesIO):
        @override
        def write(self, text: bytes, /) -> int:  # type: ignore[override]  # as above
            written.set()
            return super().write(text)

    with LogWriter(Raw(), told) as writer:
        writer.put(b"one\n")

        assert written.wait(PATIENCE_S)


def test_lines_of_many_threads_stay_whole() -> None:
    raw = io.BytesIO()
    with LogWriter(raw, told) as writer:

        def put_some() -> None:
            for _ in range(500):
                writer.put(b"abc\n")

        threads = [threading.Thread(target=put_some) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert b"abc\n" * 4000 == raw.getvalue()


def test_a_reader_that_pauses_costs_lines_and_is_told_how_many(reader: Reader) -> None:
    line = b"x" * 99 + b"\n"
    offered = MAX_LINES + reader.size
    with LogWriter(reader.raw, told) as writer:
        for _ in range(offered):
            writer.put(line)
        read = b""
        while b"lost" not in read:
            read += reader.some(65_536)
        writer.put(b"then\n")
    *kept, gap, last = (read + reader.rest()).splitlines()

    assert {line.strip()} == set(kept)
    assert MAX_LINES <= len(kept) < offered
    assert b"lost %d" % (offered - len(kept)) == gap
    assert b"then" == last


def test_what_waits_is_bounded_in_bytes_too(reader: Reader) -> None:
    line = b"x" * (MAX_BYTES // 16) + b"\n"
    with LogWriter(reader.raw, told) as writer:
        for _ in range(40):
            writer.put(line)
        read = b""
        while b"lost" not in read:
            read += reader.some(65_536)

    assert read.count(b"x\n") < 20


def test_a_line_that_never_fits_is_lost_and_told() -> None:
    raw = io.BytesIO()
    with LogWriter(raw, told) as writer:
        writer.put(b"x" * MAX_BYTES + b"\n")

    assert b"lost 1\n" == raw.getvalue()


def test_a_reader_that_pauses_does_not_hold_up_the_end(reader: Reader) -> None:
    with LogWriter(reader.raw, told) as writer:
        for _ in range(MAX_LINES):
            writer.put(b"x" * 99 + b"\n")
    text = reader.some(2**20)

    assert text.startswith(b"x")


def test_a_full_disk_costs_the_lines_that_found_no_room() -> None:
    disk = Disk(room=10)
    with LogWriter(disk, told) as writer:
        writer.put(b"first\n")
        writer.put(b"second\n")
        writer.put(b"third\n")
    with LogWriter(disk, told) as writer:
        writer.put(b"x\n")

    assert b"first\nseco" == disk.getvalue()


def test_after_a_full_disk_the_torn_line_ends_before_the_next() -> None:
    disk = Disk(room=10)
    with LogWriter(disk, told) as writer:
        writer.put(b"first\n")
        writer.put(b"second\n")
        assert disk.refused.wait(PATIENCE_S)
        disk.room = 1000
        writer.put(b"third\n")

    assert [b"first", b"seco", *sorted((b"third", b"lost 1"))] == sorted(
        disk.getvalue().splitlines(), key=[b"first", b"seco", b"lost 1", b"third"].index
    )


def test_a_stream_that_somebody_made_non_blocking_loses_nothing(reader: Reader) -> None:
    os.set_blocking(reader.raw.fileno(), False)
    line = b"x" * 99 + b"\n"
    with LogWriter(reader.raw, told) as writer:
        for _ in range(2000):
            writer.put(line)
        read = b""
        while len(read) < 200_000:
            read += reader.some(65_536)

    assert line * 2000 == read
