"""What a real Ollama refuses in a chat request, in its order and its words.

Source: docs/facts/ollama.md 2, 5.1 and 6, recordings of 0.10.1 and 0.24.0. Written apart from
the adapter on purpose: shared code would share its mistakes.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from tests.fakes.ollama_record import Json


class Generation(StrEnum):
    """Which server the fake is."""

    OLDEST = "0.10.1"
    OLD = "0.24.0"


class Refused(Exception):
    """The server answers with an error.

    `at_generation`: it is found after a runner was obtained, so that a streamed chat gets it as
    its first event.
    """

    def __init__(self, status: int, text: str, *, at_generation: bool = False) -> None:
        """Keep what the client will read."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.at_generation = at_generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One decoded chat request. `keep_alive_s` is infinite for ever, None if not given."""

    model: str
    messages: tuple[Json, ...]
    stream: bool
    options: Json
    keep_alive_s: float | None
    think: bool | str | None
    format: object
    tools: bool
    truncate: bool
    shift: bool
    top_logprobs: int

    def option_int(self, name: str, default: int) -> int:
        """Return an integer option, cut off as the server does with floats."""
        value = self.options.get(name)
        return default if value is None else int(cast("float", value))


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    (str, "string"),
    ((int, float), "number"),
    (list, "array"),
    (dict, "object"),
)
_FIELDS: Mapping[str, tuple[str, str]] = {
    "model": ("string", "string"),
    "messages": ("array", "[]api.Message"),
    "stream": ("bool", "bool"),
    "options": ("object", "map[string]interface {}"),
    "tools": ("array", "api.Tools"),
    "truncate": ("bool", "bool"),
    "shift": ("bool", "bool"),
    "logprobs": ("bool", "bool"),
    "top_logprobs": ("number", "int"),
}
_MESSAGE_FIELDS: Mapping[str, tuple[str, str]] = {
    "role": ("string", "string"),
    "content": ("string", "string"),
    "thinking": ("string", "string"),
    "images": ("array", "[]api.ImageData"),
    "tool_calls": ("array", "[]api.ToolCall"),
    "tool_name": ("string", "string"),
    "tool_call_id": ("string", "string"),
}
_FLOATS = (
    *("temperature", "top_p", "min_p", "typical_p"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty"),
)
_INTEGERS = (
    *("num_keep", "seed", "num_predict", "top_k", "repeat_last_n"),
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"),
)
_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(_FLOATS, "float32"),
    **dict.fromkeys(_INTEGERS, "integer"),
    "use_mmap": "boolean",
    "stop": "array",
}
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LEVELS = ("high", "medium", "low", "max")


def decode_object(body: bytes, type_name: str) -> dict[str, object]:
    """Return the first JSON object of a body; what follows it is ignored.

    Raises:
        Refused: 400, in the words of Go's decoder.
    """
    if not body:
        raise Refused(400, "missing request body")
    text = body.decode(errors="replace").lstrip()
    try:
        decoded, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].strip()
        if not rest or error.msg.startswith("Unterminated"):
            raise Refused(400, "unexpected EOF") from None
        wanted = "object key string" if "property name" in error.msg else "value"
        raise Refused(
            400, f"invalid character '{rest[0]}' looking for beginning of {wanted}"
        ) from None
    if not isinstance(decoded, dict):
        raise Refused(
            400, f"json: cannot unmarshal {_kind(decoded)} into Go value of type {type_name}"
        )
    return cast("dict[str, object]", decoded)


def decode_chat(body: bytes, generation: Generation) -> Asked:
    """Return a chat request whose every field has its type.

    Raises:
        Refused: 400, as the server's decoder would.
    """
    fields = decode_object(body, "api.ChatRequest")
    _check_types(fields, _FIELDS, "ChatRequest")
    messages = cast("list[object]", fields.get("messages") or [])
    for message in messages:
        _check_message(message, generation)
    keep_alive_s = _keep_alive_s(fields.get("keep_alive"))
    think = _think(fields.get("think"), generation)
    return Asked(
        model=str(fields.get("model") or "").strip(),
        messages=tuple(cast("Json", message) for message in messages),
        stream=fields.get("stream") is not False,
        options=cast("Json", fields.get("options") or {}),
        keep_alive_s=keep_alive_s,
        think=think,
        format=fields.get("format"),
        tools=bool(fields.get("tools")),
        truncate=fields.get("truncate") is not False,
        shift=fields.get("shift") is not False,
        top_logprobs=int(cast("float", fields.get("top_logprobs") or 0)),
    )


def check_options(options: Json) -> None:
    """Refuse options of a wrong type; unknown ones and null pass.

    Raises:
        Refused: 500, although it is the caller's mistake.
    """
    fits: Mapping[str, Callable[[str], bool]] = {
        "float32": lambda kind: kind == "number",
        "integer": lambda kind: kind == "number",
        "boolean": lambda kind: kind == "bool",
        "array": lambda kind: kind == "array",
    }
    for name, value in options.items():
        wanted = _OPTIONS.get(name)
        if wanted is None or value is None:
            continue
        if not fits[wanted](_kind(value)):
            raise Refused(500, f'option "{name}" must be of type {wanted}')
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise Refused(500, f'option "{name}" must be of an array of strings')


def check_format(wanted: object) -> None:
    """Refuse a format that is neither "json" nor an object nor empty.

    Raises:
        Refused: 500, as the first event.
    """
    if wanted in (None, "", "json") or isinstance(wanted, dict):
        return
    quoted = json.dumps(json.dumps(wanted))
    text = f'invalid format: {quoted}; expected "json" or a valid JSON Schema object'
    raise Refused(500, text, at_generation=True)


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


def _check_types(fields: Json, wanted: Mapping[str, tuple[str, str]], path: str) -> None:
    for name, (kind, go_type) in wanted.items():
        value = fields.get(name)
        if value is not None and _kind(value) != kind:
            raise Refused(400, _mismatch(value, f"{path}.{name}", go_type))


def _mismatch(value: object, path: str, go_type: str) -> str:
    return f"json: cannot unmarshal {_kind(value)} into Go struct field {path} of type {go_type}"


def _check_message(message: object, generation: Generation) -> None:
    if not isinstance(message, dict):
        raise Refused(400, _mismatch(message, "ChatRequest.messages", "api.Message"))
    _check_types(message, _MESSAGE_FIELDS, "ChatRequest.messages")
    for image in message.get("images") or ():
        _check_image(image)
    for call in message.get("tool_calls") or ():
        _check_arguments(call, generation)


def _check_image(image: object) -> None:
    text = str(image)
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        bad = re.search(r"[^A-Za-z0-9+/]", text)
        at = bad.start() if bad else len(text)
        raise Refused(400, f"illegal base64 data at input byte {at}") from None


def _check_arguments(call: object, generation: Generation) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if arguments is None or isinstance(arguments, dict):
        return
    if generation is not Generation.OLDEST:
        raise Refused(400, "Value looks like object, but can't find closing '}' symbol")
    path = "ChatRequest.messages.tool_calls.function.arguments"
    raise Refused(400, _mismatch(arguments, path, "api.ToolCallFunctionArguments"))


def _keep_alive_s(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Refused(400, f"Unsupported type: '{_kind(value)}'")
    seconds = _go_duration_s(value) if isinstance(value, str) else float(value)
    return math.inf if seconds < 0 else seconds


def _go_duration_s(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    bare = text.lstrip("+-")
    if bare == "0":
        return 0.0
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|ms|s|m|h)", bare)
    if parts and "".join(number + unit for number, unit in parts) == bare:
        return sign * sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    if re.fullmatch(r"\d+\.?\d*|\.\d+", bare):
        raise Refused(400, f'time: missing unit in duration "{text}"')
    raise Refused(400, f'time: invalid duration "{text}"')


def _think(value: object, generation: Generation) -> bool | str | None:
    if value is None or isinstance(value, bool):
        return value
    if generation is Generation.OLDEST:
        raise Refused(400, _mismatch(value, "ChatRequest.think", "bool"))
    allowed = '"high", "medium", "low", "max", true, or false'
    if not isinstance(value, str):
        raise Refused(400, f"think must be a boolean or string ({allowed})")
    if value not in _LEVELS:
        raise Refused(400, f'invalid think value: "{value}" (must be {allowed})')
    return value
