"""The prompt: an argument, or standard input. Never both."""

from typing import TextIO

from llmsvc_client.channel import MAX_MESSAGE_BYTES


class BadPromptError(Exception):
    """There is no usable prompt, and nothing was sent; the text says why and what would do."""


def read_prompt(argument: str | None, stdin: TextIO | None) -> str:
    """Return the prompt, without newlines at its end.

    Args:
        argument: The command's argument; "-" and None mean `stdin`.
        stdin: The process's standard input, if it has one. It is read to its end, a terminal
            only for "-".

    Raises:
        BadPromptError: It is missing, blank, too large or not UTF-8, or can't be read.
    """
    if argument in (None, "-"):
        if stdin is None or (argument is None and stdin.isatty()):
            raise BadPromptError("no prompt: give it as an argument, or pipe it in")
        raw = _read(stdin)
    else:
        # Bytes that are not UTF-8 reach Python's arguments as lone surrogates.
        raw = argument.encode(errors="surrogateescape")
    try:
        prompt = raw.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        at = error.start
        raise BadPromptError(f"the prompt is not UTF-8 from byte {at} on: convert it") from None
    if not prompt.strip():
        raise BadPromptError("the prompt is empty: give a text as an argument, or pipe one in")
    return prompt


def _read(stdin: TextIO) -> bytes:
    try:
        raw = stdin.buffer.read(MAX_MESSAGE_BYTES + 1)
    except OSError as error:
        raise BadPromptError(f"cannot read standard input: {error.strerror}") from None
    if len(raw) > MAX_MESSAGE_BYTES:
        limit_mib = MAX_MESSAGE_BYTES // 2**20
        raise BadPromptError(f"the prompt is larger than {limit_mib} MiB: shorten it")
    return raw
