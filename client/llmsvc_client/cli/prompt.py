"""The prompt: an argument, standard input, or both."""

import fcntl
import os
import select
import stat
from typing import Final, TextIO

from llmsvc_client.channel import MAX_MESSAGE_BYTES
from llmsvc_client.cli.output import Remarks

_STILL_WAITING: Final = (
    "llmsvc: waiting for standard input to end, to put it before the prompt;"
    " Ctrl-C stops, </dev/null leaves it out"
)
_SILENCE_S: Final = 1.0
_CHUNK_BYTES: Final = 65_536


class BadPromptError(Exception):
    """There is no usable prompt, and nothing was sent; the text says why and what would do."""


def read_prompt(argument: str | None, stdin: TextIO | None, remarks: Remarks) -> str:
    """Return the prompt, without newlines at its end.

    What is piped in comes first, then a blank line and the argument. It is read to its end as `cat`
    does, however long that takes: a silent pipe may belong to a slow program, and to go on without
    its text would ask another question.

    Args:
        argument: The command's argument; "-" and None mean `stdin` alone.
        stdin: The process's standard input, if it has one. A terminal is read only for "-"; beside
            an argument only pipes, files and sockets are.
        remarks: Told if an argument is there and nothing came in for a second.

    Raises:
        BadPromptError: It is missing, blank, too large or not UTF-8, or can't be read.
    """
    if argument is None or argument == "-":
        if stdin is None or (argument is None and stdin.isatty()):
            raise BadPromptError("no prompt: give it as an argument, or pipe it in")
        return _check(_read(stdin.fileno()), "standard input")
    # Bytes that are not UTF-8 reach Python's arguments as lone surrogates.
    prompt = _check(argument.encode(errors="surrogateescape"), "the prompt")
    if stdin is None or not _is_piped(stdin.fileno()):
        return prompt
    _report_silence(stdin.fileno(), remarks)
    piped = _decode(_read(stdin.fileno()), "standard input")
    return f"{piped}\n\n{prompt}" if piped.strip() else prompt


def _is_piped(descriptor: int) -> bool:
    """Return whether somebody may have put text there: not so for devices and closed doors."""
    mode = os.fstat(descriptor).st_mode
    carries = stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
    return carries and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY


def _report_silence(descriptor: int, remarks: Remarks) -> None:
    ready, _, _ = select.select([descriptor], [], [], _SILENCE_S)
    if not ready:
        remarks.say(_STILL_WAITING)


def _read(descriptor: int) -> bytes:
    raw = bytearray()
    try:
        while chunk := _chunk(descriptor):
            raw += chunk
            if len(raw) > MAX_MESSAGE_BYTES:
                limit_mib = MAX_MESSAGE_BYTES // 2**20
                raise BadPromptError(f"the prompt is larger than {limit_mib} MiB: shorten it")
    except OSError as error:
        raise BadPromptError(f"cannot read standard input: {error.strerror}") from None
    return bytes(raw)


def _chunk(descriptor: int) -> bytes:
    """Return what comes next, also where another process has made the pipe non-blocking."""
    select.select([descriptor], [], [])
    return os.read(descriptor, _CHUNK_BYTES)


def _decode(raw: bytes, what: str) -> str:
    try:
        return raw.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        at = error.start
        raise BadPromptError(f"{what} is not UTF-8 from byte {at} on: convert it") from None


def _check(raw: bytes, what: str) -> str:
    prompt = _decode(raw, what)
    if not prompt.strip():
        raise BadPromptError("the prompt is empty: give a text as an argument, or pipe one in")
    return prompt
