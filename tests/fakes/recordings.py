"""What real Ollama servers sent, byte for byte, and how to have it sent again."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.ollama_record import Json
from tests.fakes.ollama_steps import End, Script, end, raw

_FOLDER = Path(__file__).parent.parent / "recordings"
VERSIONS = ("0.10.1", "0.24.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One exchange with a real server.

    Attributes:
        version: The server's, which itself says "0.0.0".
        case: Its name in tests/recordings.
        method, path, headers, request: What was asked; the body's bytes, empty if none.
        response: The raw bytes of the reply.
        status: Of the reply.
        response_headers: Names in lower case.
        body: The reply's body, chunks joined.
        complete: Whether the body came to its proper end; else the connection was lost.
    """

    version: str
    case: str
    method: str
    path: str
    headers: Mapping[str, str]
    request: bytes
    response: bytes
    status: int
    response_headers: Mapping[str, str]
    body: bytes
    complete: bool

    @property
    def lines(self) -> list[Json]:
        """The objects of the body, one per line."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]


def cases(version: str) -> tuple[str, ...]:
    """Return the names of all recordings of a version."""
    suffix = ".request.json"
    found = (_FOLDER / version).glob(f"*{suffix}")
    return tuple(sorted(path.name.removesuffix(suffix) for path in found))


@functools.cache
def recording(version: str, case: str) -> Recording:
    """Return one recording.

    Args:
        version: One of `VERSIONS`.
        case: One of `cases(version)`.
    """
    asked = json.loads((_FOLDER / version / f"{case}.request.json").read_bytes())
    response = (_FOLDER / version / f"{case}.response.txt").read_bytes()
    head, _, rest = response.partition(b"\r\n\r\n")
    status_line, *header_lines = head.decode("ascii").split("\r\n")
    pairs = (line.partition(":") for line in header_lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body, complete = _joined(rest)
    else:
        body = rest
        complete = asked["method"] == "HEAD" or len(rest) == int(headers["content-length"])
    return Recording(
        version=version,
        case=case,
        method=asked["method"],
        path=asked["path"],
        headers=asked.get("headers", {}),
        request=_request_body(asked),
        response=response,
        status=int(status_line.split(" ")[1]),
        response_headers=headers,
        body=body,
        complete=complete,
    )


def replay(recorded: Recording, *, piece_bytes: int | None = None) -> Script:
    """Return a script that sends the raw reply again; a lost connection is lost again.

    Args:
        recorded: What to send.
        piece_bytes: Size of each socket write; all at once if None.
    """
    size = piece_bytes or len(recorded.response)
    starts = range(0, len(recorded.response), size)
    pieces = tuple(raw(recorded.response[at : at + size]) for at in starts)
    return pieces if recorded.complete else (*pieces, end(End.CUT))


def _request_body(asked: Mapping[str, object]) -> bytes:
    text = asked.get("body_text")
    if isinstance(text, dict):
        [(encoding, characters)] = text.items()
        return str(characters).encode(encoding)
    if isinstance(text, str):
        return text.encode()
    return b"" if asked.get("body") is None else json.dumps(asked["body"]).encode()


def _joined(chunked: bytes) -> tuple[bytes, bool]:
    body = b""
    while chunked:
        size_line, _, chunked = chunked.partition(b"\r\n")
        size = int(size_line, 16)
        if size == 0:
            return body, True
        body += chunked[:size]
        chunked = chunked[size + 2 :]
    return body, False
