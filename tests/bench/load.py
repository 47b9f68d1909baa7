"""The compiled load client, as calls with typed results."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from tests.bench.failure import NotMeasuredError

T = TypeVar("T")


class Window(msgspec.Struct, frozen=True):
    """What passed in a measuring window, in ns."""

    wall_ns: int
    self_ns: int
    others_ns: int  # processes that were not watched; a lower bound
    steal_ns: int
    cpu_ns: dict[int, int]  # by pid, of the watched processes


class Counted(msgspec.Struct, frozen=True):
    """A window and the work that was done in it."""

    window: Window
    calls: int = 0
    tokens: int = 0
    messages: int = 0
    outcomes: dict[str, int] | None = None


class First(msgspec.Struct, frozen=True):
    """First-token latencies, in the order of the calls."""

    first_ns: list[int]


class Cancelled(msgspec.Struct, frozen=True):
    """How long upstream sockets took to close after the caller left."""

    closed_after_ns: list[int]
    left: int
    begun: int  # those of them that reached the upstream
    outcomes: dict[str, int]


class Settled(msgspec.Struct, frozen=True):
    """How the opening of streams that are held went, by status."""

    settled: dict[str, int]


class Held(msgspec.Struct, frozen=True):
    """Streams that ended before they were let go, by status."""

    early: dict[str, int] | None


class Soaked(msgspec.Struct, frozen=True):
    """Progress of a soak; the outcomes come with the last one."""

    over: int
    cancelled: int = 0
    outcomes: dict[str, int] | None = None


class FailedOver(msgspec.Struct, frozen=True):
    """How long whole answers took, in ns."""

    alone_ns: list[int]  # from the fallback, asked alone, among the refused ones
    refused_ns: list[int]  # from the fallback, after the primary refused connections
    open_ns: list[int]  # from the fallback, while the primary's breaker was open
    alone_again_ns: list[int]  # as the first, among the open ones


class HalfOpened(msgspec.Struct, frozen=True):
    """What callers who came at once to a half-open breaker met."""

    asked: dict[str, int]  # requests, by kind of provider
    answered: dict[str, int]  # calls, by provider
    outcomes: dict[str, int]


class Crowded(msgspec.Struct, frozen=True):
    """How long fair hosts' calls took, in ns, alone and beside a greedy host."""

    alone_ns: list[int]
    beside_ns: list[int]
    alone: dict[str, int]  # statuses
    beside: dict[str, int]
    greedy: dict[str, int]


class Outlived(msgspec.Struct, frozen=True):
    """An outage, as callers and the upstream counted it."""

    calls: int
    rpcs: int  # a call of the retry-happy client is several
    asked: dict[str, int]  # requests, by kind of provider
    most: int  # of them for one RPC
    outcomes: dict[str, int]


class Chaos(msgspec.Struct, frozen=True):
    """Progress of the chaos; the outcomes come with the last one."""

    over: int
    outcomes: dict[str, int] | None = None
    wrong: dict[str, int] | None = None


class Recovered(msgspec.Struct, frozen=True):
    """How long it took until a provider answered every time."""

    after_ns: int


class Ready(msgspec.Struct, frozen=True):
    """When a port or a service was there, on the monotonic clock."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A load client that reports while it runs."""

    stdout: IO[bytes]
    stdin: IO[bytes]

    def hear(self, kind: type[T]) -> T:
        """Return its next report.

        Raises:
            NotMeasuredError: It ended without one.
        """
        line = self.stdout.readline()
        if not line:
            raise NotMeasuredError("the load client ended early")
        return msgspec.json.decode(line, type=kind)

    def end(self, kind: type[T]) -> T:
        """Let it end; return its last report, as `hear`."""
        self.stdin.close()
        return self.hear(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Runs the load client."""

    program: Path

    def run(self, kind: type[T], mode: str, /, **flags: object) -> T:
        """Return the one result of a mode.

        Args:
            kind: Type of the result.
            mode: The client's first argument.
            **flags: Its flags.

        Raises:
            NotMeasuredError: It failed.
        """
        done = subprocess.run(self._command(mode, flags), capture_output=True, check=False)  # noqa: S603 - our own words
        if done.returncode:
            raise NotMeasuredError(f"{mode}: {done.stderr.decode(errors='replace')[-300:].strip()}")
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=kind)

    @contextlib.contextmanager
    def talk(self, mode: str, /, **flags: object) -> Iterator[Talk]:
        """Yield the running client; leaving ends its standard input and waits for it."""
        with subprocess.Popen(  # noqa: S603 - our own words
            self._command(mode, flags), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            if child.stdin is None or child.stdout is None:
                raise NotMeasuredError("no pipes")
            try:
                yield Talk(stdin=child.stdin, stdout=child.stdout)
            except BaseException:
                child.kill()
                raise

    def _command(self, mode: str, flags: dict[str, object]) -> list[str]:
        return [str(self.program), mode, *(f"-{name}={value}" for name, value in flags.items())]
