"""Tools and schemas out of files: read, and refused by the file's name and what is wrong in it."""

from pathlib import Path
from typing import Any, Final

from llmsvc_client.json_text import read_json
from llmsvc_client.tools import Tool

MAX_FILE_BYTES: Final = 1024 * 1024
"""More than any request may hold of schemas."""

_FIELDS: Final = {
    "name": (str, "a text"),
    "description": (str, "a text"),
    "parameters": (dict, "a JSON Schema in form of an object"),
}
_PASSED_OVER: Final = {"type", "strict"}  # the server constrains a model as far as it can
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
    given, where = _to_object(path, _read_text(path)), f"{path}: "
    if "function" in given:
        for field in given.keys() - {"type", "function"}:
            raise BadFileError(f"{where}{field}: not known beside function; write {_FORMS}")
        given, where = given["function"], f"{where}function."
        if not isinstance(given, dict):
            raise BadFileError(f"{path}: function: not an object; write {_FORMS}")
    for field, value in given.items():
        _check_field(where, field, value)
    if not given.get("name"):
        raise BadFileError(f"{where}name: missing; write {_FORMS}")
    return Tool(given["name"], given.get("parameters"), given.get("description") or "")


def _check_field(where: str, field: str, value: object) -> None:
    if field in _PASSED_OVER or value is None:
        return
    if field not in _FIELDS:
        raise BadFileError(f"{where}{field}: not known; write {_FORMS}")
    kind, words = _FIELDS[field]
    if not isinstance(value, kind):
        raise BadFileError(f"{where}{field}: not {words}")


def read_schema(path: Path) -> str:
    """Return the text of the JSON Schema in a file.

    Raises:
        BadFileError: It is none, or it can't be read.
    """
    text = _read_text(path)
    _ = _to_object(path, text)
    return text


def _to_object(path: Path, text: str) -> dict[str, Any]:
    try:
        given = read_json(text)
    except ValueError as error:
        raise BadFileError(f"{path}: {error}") from None
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
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFileError(f"{path}: not UTF-8") from None
