"""Tools and schemas out of files: read, and refused by the file's name and what is wrong in it."""

import json
from pathlib import Path
from typing import Any, Final

from llmsvc_client.tools import Tool

MAX_FILE_BYTES: Final = 1024 * 1024
"""More than any request may hold of schemas."""

_FORMS: Final = (
    '{"name": ..., "description": ..., "parameters": {...}}, or that in {"type": "function",'
    ' "function": ...}'
)


class BadFileError(Exception):
    """A file is not what it has to be; the text says which, and the remedy."""


def read_tool(path: Path) -> Tool:
    """Return the tool that a file describes.

    Raises:
        BadFileError: It does not, or it can't be read.
    """
    given = _read_object(path)
    if "function" in given:
        given = given["function"] if isinstance(given["function"], dict) else {}
    name, description = given.get("name"), given.get("description", "")
    if not isinstance(name, str) or not name:
        raise BadFileError(f"{path}: name: missing; write {_FORMS}")
    if not isinstance(description, str):
        raise BadFileError(f"{path}: description: not a text")
    parameters = given.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadFileError(f"{path}: parameters: not a JSON Schema in form of an object")
    return Tool(name, parameters, description)


def read_schema(path: Path) -> str:
    """Return the text of the JSON Schema in a file.

    Raises:
        BadFileError: It is none, or it can't be read.
    """
    _ = _read_object(path)
    return _read_text(path)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(_read_text(path))
    except (ValueError, RecursionError):
        raise BadFileError(f"{path}: not JSON") from None
    if not isinstance(given, dict):
        raise BadFileError(f"{path}: not a JSON object")
    return given


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadFileError(f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise BadFileError(f"{path}: more than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadFileError(f"{path}: not UTF-8") from None
