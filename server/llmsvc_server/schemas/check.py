"""Whether what a model wrote conforms to the schemas that the request names."""

import json
import re
from typing import Final

import msgspec

from llmsvc_server.chat.features import Features
from llmsvc_server.chat.output_check import OutputCheck, SchemaViolation
from llmsvc_server.chat.parts import Part, ToolCall, text_of
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.schemas.document import MAX_DEPTH, depth_of
from llmsvc_server.schemas.examined import Examined, Problem, examine
from llmsvc_server.schemas.verdicts import size_of
from llmsvc_server.schemas.violations import UNCHECKED, find_violations

MAX_VALUES: Final = 250_000
MAX_WORK: Final = 10_000_000
MAX_BACKTRACKING: Final = 1_000_000_000
"""Squared lengths of strings, times characters of expressions that match in no linear time."""
_SHORT: Final = 64  # a match may take this long at least
_CUT: Final = frozenset(
    {
        FinishReason.MAX_TOKENS,
        FinishReason.CONTEXT_LENGTH,
        FinishReason.CONTENT_FILTER,
        FinishReason.STOP_SEQUENCE,
    }
)
MAX_ANSWER_DEPTH: Final = 512
"""Objects and arrays inside each other: how many parsers follow differs by version of Python."""

MAX_OPENED: Final = 65_536
_STRINGS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_BRACKETS: Final = b"[]{}"
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder()


def is_json_object(text: str) -> bool:
    """Say whether a text is one JSON object, no deeper than arguments may be: 32 levels.

    There may be 65,536 objects and arrays in it. It is looked at and not kept.
    """
    try:
        _MEMBERS.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return not _is_deeper(text, MAX_DEPTH)


def _is_deeper(text: str, limit: int) -> bool:
    """Say whether a JSON text nests deeper than a limit, or has more than anybody can follow."""
    if _opened_in(text) <= limit:
        return False
    bare = _STRINGS.sub("", text)
    if bare.count("{") + bare.count("[") > MAX_OPENED:
        return True
    brackets = bare.encode().translate(_ALIKE, _OTHERS)
    for _ in range(limit):  # each round takes the innermost away, all at once
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _opened_in(text: str) -> int:
    """Return how many objects and arrays a JSON text may have: brackets in strings count too."""
    return text.count("{") + text.count("[")


def check_answer(
    features: Features, parts: tuple[Part, ...], finish_reason: FinishReason
) -> tuple[OutputCheck, ...]:
    """Return one check of each call whose function has a schema; where nothing is called, of the text.

    Args:
        features: What the request asked for. No problem was found in its schemas.
        parts: The whole answer.
        finish_reason: Why it ended: what was cut and is no JSON says so.
    """
    calls = [part for part in parts if isinstance(part, ToolCall)]
    is_cut = finish_reason in _CUT
    if calls:
        schemas = {tool.name: tool.parameters_json_schema for tool in features.tools}
        return tuple(
            OutputCheck(
                tool_call_id=call.id,
                violations=_check(schemas[call.name], call.arguments_json, is_cut=is_cut),
            )
            for call in calls
            if schemas.get(call.name)
        )
    shape = features.response_format
    if shape is None:
        return ()
    return (OutputCheck(violations=_check(shape.json_schema, text_of(parts), is_cut=is_cut)),)


def _check(schema_text: str, text: str, *, is_cut: bool) -> tuple[SchemaViolation, ...]:
    if not schema_text:
        if is_json_object(text):
            return ()
        schema_text = '{"type":"object"}'
    opened = _opened_in(text)
    if text.count(",") + opened > MAX_VALUES:
        return _all_of_it(UNCHECKED)
    try:
        document = _ANY.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _all_of_it("truncated" if is_cut else "json")
    if opened > MAX_ANSWER_DEPTH and depth_of(document) > MAX_ANSWER_DEPTH:
        return _all_of_it("json")
    if is_cut and isinstance(document, int | float) and not isinstance(document, bool):
        return _all_of_it("truncated")  # there may have been more digits
    return check_document(schema_text, document)


def check_document(schema_text: str, document: object) -> tuple[SchemaViolation, ...]:
    """Return where a document does not conform to a schema without problems."""
    examined = examine(schema_text)
    if isinstance(examined, Problem) or _is_too_much(examined, document):
        return _all_of_it(UNCHECKED)
    if examined.validator.is_valid(document):
        return ()
    return find_violations(examined, json.loads(schema_text), document)


def _is_too_much(examined: Examined, document: object) -> bool:
    if examined.work * size_of(document) > MAX_WORK:
        return True
    backtracking = examined.backtracking
    return backtracking > 0 and backtracking * _squares(document) > MAX_BACKTRACKING


def _squares(document: object) -> int:
    """Return what an expression that looks around may take: a string's length, once a character."""
    if isinstance(document, str):
        return max(len(document), _SHORT) ** 2
    if isinstance(document, dict):
        return sum(map(_squares, document)) + sum(map(_squares, document.values()))
    return sum(map(_squares, document)) if isinstance(document, list) else 0


def _all_of_it(keyword: str) -> tuple[SchemaViolation, ...]:
    return (SchemaViolation(pointer="", keyword=keyword),)
