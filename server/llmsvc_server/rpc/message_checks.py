"""Checks of a conversation: who says what in which order, and that calls and results belong together."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.parts import MAX_ARGUMENTS_BYTES
from llmsvc_server.errors import Violation
from llmsvc_server.errors import ViolationReason as Why
from llmsvc_server.schemas.check import is_json_object

KNOWN_ROLES = frozenset(
    (llm_pb2.ROLE_SYSTEM, llm_pb2.ROLE_USER, llm_pb2.ROLE_ASSISTANT, llm_pb2.ROLE_TOOL)
)
ROLE_NAMES = "ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL"
KINDS: Mapping[int, tuple[str, ...]] = {
    llm_pb2.ROLE_SYSTEM: ("text",),
    llm_pb2.ROLE_USER: ("text",),
    llm_pb2.ROLE_ASSISTANT: ("text", "tool_call", "refusal"),
    llm_pb2.ROLE_TOOL: ("tool_result",),
}
"""Role -> kinds of its parts."""

MAX_ID_BYTES = 256
MAX_RESULT_BYTES = 1024 * 1024
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NAME_REMEDY = "use 1 to 64 of a-z, A-Z, 0-9, _ and -"


def check_messages(messages: Sequence[llm_pb2.Message]) -> Iterator[Violation]:
    """Yield what is wrong with a conversation, in its order."""
    if not messages:
        yield Violation("messages", Why.MISSING, "send at least one user message")
        return
    conversing = False
    calls = _Calls()
    for index, message in enumerate(messages):
        role, parts = message.role, message.parts
        usual = role == llm_pb2.ROLE_USER and len(parts) == 1 and parts[0].HasField("text")
        if not usual or calls.are_open:
            path = f"messages[{index}]"
            if role not in KNOWN_ROLES or (role == llm_pb2.ROLE_SYSTEM and conversing):
                yield _wrong_role(path, role)
            if calls.are_open and role != llm_pb2.ROLE_TOOL:
                yield from calls.close()
            yield from _check_parts(path, role, parts, calls)
        conversing = conversing or role != llm_pb2.ROLE_SYSTEM
    yield from calls.close()
    if messages[-1].role in {llm_pb2.ROLE_SYSTEM, llm_pb2.ROLE_ASSISTANT}:
        yield Violation(
            f"messages[{len(messages) - 1}].role",
            Why.NOT_ALLOWED,
            "end the conversation with a user or tool message",
        )


def count_text_bytes(messages: Iterable[llm_pb2.Message]) -> int:
    """Return how long all is that a model reads of a conversation, in UTF-8."""
    size_bytes = 0
    for message in messages:
        for part in message.parts:
            if part.HasField("tool_call"):
                call = part.tool_call
                size_bytes += len(call.name.encode()) + len(call.arguments_json.encode())
            else:
                text = part.text or part.refusal or part.tool_result.content
                size_bytes += len(text.encode())
    return size_bytes


class _Calls:
    """The calls of the latest assistant message, each with the results that it got.

    Attributes:
        are_open: Whether results are still to be counted.
    """

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._answered: set[str] = set()
        self.are_open = False

    def close(self) -> Iterator[Violation]:
        """Yield what is missing: no result can follow."""
        for call_id, path in self._paths.items():
            if call_id not in self._answered:
                yield Violation(
                    path, Why.MISSING, "send its result in the tool messages that follow it"
                )
        self._paths.clear()
        self._answered.clear()
        self.are_open = False

    def add(self, path: str, call_id: str) -> Violation | None:
        """Take a call; return what is wrong with it."""
        self.are_open = True
        if call_id in self._paths:
            return Violation(f"{path}.id", Why.NOT_ALLOWED, "give each call an id of its own")
        self._paths[call_id] = path
        return None

    def answer(self, path: str, call_id: str) -> Violation | None:
        """Take the result of a call; return what is wrong with it."""
        if call_id not in self._paths:
            return Violation(
                path, Why.NOT_ALLOWED, "use the id of a call in the assistant message before"
            )
        if call_id in self._answered:
            return Violation(path, Why.NOT_ALLOWED, "send one result for each call")
        self._answered.add(call_id)
        return None


def _wrong_role(path: str, role: int) -> Violation:
    if role == llm_pb2.ROLE_UNSPECIFIED:
        return Violation(f"{path}.role", Why.MISSING, f"set it to {ROLE_NAMES}")
    if role not in KNOWN_ROLES:
        return Violation(f"{path}.role", Why.UNKNOWN, f"use {ROLE_NAMES}")
    return Violation(f"{path}.role", Why.NOT_ALLOWED, "put system messages first")


def _check_parts(
    path: str, role: int, parts: Sequence[llm_pb2.ContentPart], calls: _Calls
) -> Iterator[Violation]:
    # An answer that says nothing has no part, and may be sent back as it is.
    if not parts and role != llm_pb2.ROLE_ASSISTANT:
        yield Violation(f"{path}.parts", Why.MISSING, "send at least one part")
    fitting = KINDS.get(role, ())
    for index, part in enumerate(parts):
        kind = part.WhichOneof("part")
        where = f"{path}.parts[{index}]"
        if kind is None:
            yield Violation(where, Why.MISSING, "set a kind that this server knows")
        elif fitting and kind not in fitting:
            yield Violation(
                f"{where}.{kind}", Why.NOT_ALLOWED, f"send {' or '.join(fitting)} in this role"
            )
        elif kind == "tool_call":
            yield from _check_call(f"{where}.{kind}", part.tool_call, calls)
        elif kind == "tool_result":
            yield from _check_result(f"{where}.{kind}", part.tool_result, calls)


def _check_call(path: str, call: llm_pb2.ToolCall, calls: _Calls) -> Iterator[Violation]:
    call_id, text = call.id, call.arguments_json
    if wrong := _wrong_id(f"{path}.id", call_id):
        yield wrong
    if not NAME.fullmatch(call.name):
        yield Violation(f"{path}.name", Why.MALFORMED, NAME_REMEDY)
    if len(text.encode()) > MAX_ARGUMENTS_BYTES:
        remedy = f"use at most {MAX_ARGUMENTS_BYTES} bytes"
        yield Violation(f"{path}.arguments_json", Why.TOO_LONG, remedy)
    elif not is_json_object(text):
        yield Violation(
            f"{path}.arguments_json",
            Why.MALFORMED,
            "send the text of a JSON object, at most 32 levels deep",
        )
    if wrong := calls.add(path, call_id):
        yield wrong


def _check_result(path: str, result: llm_pb2.ToolResult, calls: _Calls) -> Iterator[Violation]:
    where, call_id = f"{path}.tool_call_id", result.tool_call_id
    if wrong := _wrong_id(where, call_id) or calls.answer(where, call_id):
        yield wrong
    if len(result.content.encode()) > MAX_RESULT_BYTES:
        yield Violation(f"{path}.content", Why.TOO_LONG, f"use at most {MAX_RESULT_BYTES} bytes")


def _wrong_id(path: str, call_id: str) -> Violation | None:
    if not call_id:
        return Violation(path, Why.MISSING, "send the id of the call")
    if len(call_id.encode()) > MAX_ID_BYTES:
        return Violation(path, Why.TOO_LONG, f"use at most {MAX_ID_BYTES} bytes")
    return None
