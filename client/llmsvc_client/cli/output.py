"""Where answers go and where remarks go: standard output and standard error."""

import errno
import os
from typing import Final, TextIO

from llmsvc_client.cli.printable import one_line, printable

_NO_STREAM: Final = errno.EBADF


class Output:
    """Standard output: the answer and nothing else, each piece at once.

    A pipe or a file gets the text as it is, in UTF-8; a terminal gets it without control
    characters.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Write to `stream`; None, where the process has no standard output, fails when written."""
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()
        self._in_line = False

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            BrokenPipeError: The reader is gone.
            OSError: It can't be written.
        """
        if self._stream is None:
            raise OSError(_NO_STREAM, os.strerror(_NO_STREAM))
        if self._terminal:
            self._stream.buffer.write(printable(text).encode(self._stream.encoding, "replace"))
        else:
            self._stream.buffer.write(text.encode())
        self._stream.buffer.flush()
        self._in_line = not text.endswith("\n")

    def end_line(self) -> None:
        """Put a newline behind an answer that has none, if that can still be written."""
        if self._in_line:
            try:
                self.write("\n")
            except OSError:
                self.abandon()

    def abandon(self) -> None:
        """Send what is left, and what the interpreter flushes at its end, to nowhere."""
        if self._stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Remarks:
    """Standard error: one line each, in colour on a terminal only."""

    def __init__(self, stream: TextIO | None) -> None:
        """Write to `stream`; None, where the process has no standard error, takes all and says none."""
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()

    def say(self, line: str, *, style: str = "dim") -> None:
        """Write one line. A reader who is gone is no trouble.

        Args:
            line: The text, of any origin.
            style: How rich shows it on a terminal.
        """
        if self._stream is None:
            return
        try:
            if self._terminal:
                self._say_in_colour(one_line(line), style)
            else:
                self._stream.write(one_line(line) + "\n")
                self._stream.flush()
        except OSError:
            self._stream = None

    def _say_in_colour(self, line: str, style: str) -> None:
        from rich.console import Console  # noqa: PLC0415  45 ms, for terminals only
        from rich.text import Text  # noqa: PLC0415  the same

        Console(file=self._stream).print(Text(line, style=style), soft_wrap=True)
