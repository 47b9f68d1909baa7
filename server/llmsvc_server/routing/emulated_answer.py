"""What a model wrote that was told of tools in its prompt, read as an answer or as calls. Pure.

Constrained to it by a schema or merely asked for it, a model writes one JSON object (`emulate.py`).
Its answer is passed on while it is written. What is no such object is an answer as it stands.
"""

import re
import secrets
from dataclasses import replace
from enum import Enum, auto
from typing import cast

import msgspec

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import AnswerEvents, Delta, Done, Pieces, pieces_of
from llmsvc_server.chat.features import Features
from llmsvc_server.chat.parts import MAX_ARGUMENTS_BYTES, MAX_CALLS, CallPiece, Piece, Refusal
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.schemas.check import is_json_object

ACTION, ANSWER, CALLS = "action", "answer", "calls"
"""Keys of the object, in the order in which they are written: the action says what follows."""

TO_ANSWER, TO_CALL = "answer", "call_tools"
"""What `ACTION` may be."""

MAX_CALLS_LENGTH = 1024 * 1024
"""Characters of all calls of one answer: none is passed on before the last is complete."""

_BEGINS_CALLS = f'{{"{ACTION}":"{TO_CALL}",'
_BEGINS_ANSWER = f'{{"{ACTION}":"{TO_ANSWER}","{ANSWER}":'
_MAX_BEGINNING_LENGTH = 256
_WHITESPACE = frozenset(" \t\n\r")
_PLAIN = re.compile(r'[^"\\]+')
_HEX = re.compile("[0-9a-fA-F]{4}")
_UNICODE_ESCAPE_LENGTH = len(r"\uXXXX")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {one: one for one in '"\\/'}
_UNKNOWN = "\ufffd"
_MARKS = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_DEPTHS = {"{": 1, "[": 1, "}": -1, "]": -1}

_DROPPED = Adjustment(
    field="tool_choice.single_call",
    action=Action.IGNORED,
    description="The model asked for more than one call; those after the first are dropped.",
)


class _Call(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: msgspec.Raw


class _Calls(msgspec.Struct, frozen=True, gc=False):
    calls: list[_Call]


_decode_calls = msgspec.json.Decoder(_Calls).decode


class TextDecoder:
    """Decodes a JSON string piece by piece, behind its first quotation mark, however it is cut.

    Half a surrogate pair becomes U+FFFD, as does an escape that is none.
    """

    def __init__(self) -> None:
        """Have read nothing."""
        self._kept = ""
        self._high = ""
        self._is_over = False

    def take(self, text: str) -> str:
        """Return what the next piece adds to the string; nothing behind its end."""
        text, self._kept = self._kept + text, ""
        decoded: list[str] = []
        at = 0
        while at < len(text) and not self._is_over:
            if (plain := _PLAIN.match(text, at)) is not None:
                decoded += self._leave_alone(), plain.group()
                at = plain.end()
            elif text[at] == '"':
                self._is_over = True
                decoded.append(self._leave_alone())
            else:
                length = _UNICODE_ESCAPE_LENGTH if text[at + 1 : at + 2] == "u" else len(r"\n")
                escape = text[at : at + length]
                if len(escape) < length:
                    self._kept = escape
                    break
                decoded.append(self._unescape(escape[1], escape[2:]))
                at += length
        return "".join(decoded)

    def _leave_alone(self) -> str:
        """Return what stands for half a pair whose other half does not follow."""
        high, self._high = self._high, ""
        return _UNKNOWN if high else ""

    def _unescape(self, letter: str, digits: str) -> str:
        if not digits:
            return self._leave_alone() + _ESCAPES.get(letter, _UNKNOWN)
        character = chr(int(digits, 16)) if _HEX.fullmatch(digits) else _UNKNOWN
        if self._high and "\udc00" <= character <= "\udfff":
            pair, self._high = self._high + character, ""
            return pair.encode("utf-16", "surrogatepass").decode("utf-16")
        before = self._leave_alone()
        if "\ud800" <= character <= "\udbff":
            self._high = character
            return before
        return before + (_UNKNOWN if "\udc00" <= character <= "\udfff" else character)


class ValueDecoder:
    """Passes a JSON value on as it is written, up to the bracket that closes what holds it."""

    def __init__(self) -> None:
        """Have read nothing."""
        self._depth = 0
        self._in_string = False
        self._has_begun = False
        self._kept = ""

    def take(self, text: str) -> str:
        """Return what of the next piece belongs to the value."""
        if self._depth < 0:
            return ""
        text, self._kept = self._kept + text, ""
        text = text if self._has_begun else text.lstrip()
        self._has_begun = self._has_begun or bool(text)
        for found in _MARKS.finditer(text):
            mark = found.group()
            if mark == "\\":
                self._kept = mark  # what it escapes is in the next piece
                return text[: found.start()]
            if mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += _DEPTHS.get(mark, 0)
                if self._depth < 0:
                    return text[: found.start()]
        return text


class _State(Enum):
    BEGINNING = auto()
    AS_IT_STANDS = auto()
    ANSWER = auto()
    CALLS = auto()


class EmulatedAnswer:
    """Takes what a model writes, and gives pieces of an answer.

    Attributes:
        has_calls: Whether calls were among them.
        has_dropped: Whether there were more calls than are wanted.
    """

    def __init__(self, features: Features) -> None:
        """Have read nothing.

        Args:
            features: What the caller asks for: which calls are of use, and whether an answer is a
                text or else a JSON value.
        """
        is_text = features.response_format is None
        self._names = frozenset(tool.name for tool in features.offered)
        self._single = features.choice.single_call
        self._decoder: TextDecoder | ValueDecoder = TextDecoder() if is_text else ValueDecoder()
        self._begins_answer = _BEGINS_ANSWER + ('"' if is_text else "")
        self._state = _State.BEGINNING
        self._kept: list[str] = []
        self._kept_length = 0
        self.has_calls = self.has_dropped = False

    def take(self, text: str) -> tuple[Piece, ...]:
        """Return what the next text adds; that may be nothing yet.

        Raises:
            ProviderError: NONCONFORMING. There are more calls than any answer has.
        """
        if self._state is _State.ANSWER:
            return _pieces(self._decoder.take(text))
        if self._state is _State.AS_IT_STANDS:
            return _pieces(text)
        self._kept.append(text)
        self._kept_length += len(text)
        if self._kept_length > MAX_CALLS_LENGTH:
            raise _unreadable()
        return self._begin() if self._state is _State.BEGINNING else ()

    def end(self) -> tuple[Piece, ...]:
        """Return what is left once nothing follows.

        Raises:
            ProviderError: NONCONFORMING. Calls were begun that nobody can read, or run, or send back.
        """
        rest = "".join(self._kept)
        if self._state is not _State.CALLS:
            return _pieces(rest)
        try:
            calls = _decode_calls(rest.encode()).calls
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise _unreadable() from None
        self.has_dropped = self._single and len(calls) > 1
        calls = calls[:1] if self._single else calls
        if not 0 < len(calls) <= MAX_CALLS or not all(map(self._is_of_use, calls)):
            raise _unreadable()
        self.has_calls = True
        return tuple(
            CallPiece(id=_make_id(), name=one.name, arguments_json=bytes(one.arguments).decode())
            for one in calls
        )

    def _is_of_use(self, call: _Call) -> bool:
        arguments = bytes(call.arguments)
        if call.name not in self._names or len(arguments) > MAX_ARGUMENTS_BYTES:
            return False
        return is_json_object(arguments.decode())

    def _begin(self) -> tuple[Piece, ...]:
        """Return the first of an answer; nothing while it is undecided, or calls follow."""
        so_far = "".join(self._kept)
        end_of_calls = _find_end(so_far, _BEGINS_CALLS)
        end_of_answer = _find_end(so_far, self._begins_answer)
        if end_of_calls:
            self._state = _State.CALLS
            return ()
        if 0 in {end_of_calls, end_of_answer} and len(so_far) <= _MAX_BEGINNING_LENGTH:
            return ()
        self._kept.clear()
        if end_of_answer:
            self._state = _State.ANSWER
            return _pieces(self._decoder.take(so_far[end_of_answer:]))
        self._state = _State.AS_IT_STANDS
        return _pieces(so_far)


def _find_end(text: str, beginning: str) -> int | None:
    """Return where a beginning ends in a text, whitespace aside; 0 if it may still come, or None."""
    at = 0
    for position, character in enumerate(text[:_MAX_BEGINNING_LENGTH]):
        if character in _WHITESPACE:
            continue
        if character != beginning[at]:
            return None
        at += 1
        if at == len(beginning):
            return position + 1
    return 0


def _pieces(text: str) -> tuple[Piece, ...]:
    return (text,) if text else ()


def _make_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _unreadable() -> ProviderError:
    return ProviderError(ErrorKind.NONCONFORMING, row="C10", cause="toolCall", phase="stream")


async def read_emulated(events: AnswerEvents, features: Features) -> AnswerEvents:
    """Pass an attempt on as the answer that it imitates. Closing it closes `events`.

    What is wrong comes as if from `events`, so that who runs the attempt sees it too.

    Args:
        events: What the model writes.
        features: What the caller asks for.

    Raises:
        ProviderError: As of `events`, or NONCONFORMING.
    """
    answer = EmulatedAnswer(features)
    try:
        async for event in events:
            try:
                pieces = _read(event, answer)
            except ProviderError as error:
                pieces = cast("tuple[Piece, ...]", await events.athrow(error))  # it always raises
            try:
                if pieces:
                    yield _event_of(pieces)
                if isinstance(event, Done):
                    yield _end(event, answer)
                    return
            except ProviderError as error:
                await events.athrow(error)
    finally:
        await events.aclose()


def _read(event: Delta | Done, answer: EmulatedAnswer) -> tuple[Piece, ...]:
    """Return what an event adds. A refusal is none of what the model was told to write, and ends that."""
    if isinstance(event, Done):
        return () if event.finish_reason is FinishReason.REFUSAL else answer.end()
    if not isinstance(event, Pieces):
        return answer.take(event.text)
    refusals = [piece for piece in event.pieces if isinstance(piece, Refusal)]
    texts = "".join([piece for piece in event.pieces if isinstance(piece, str)])
    return (*(answer.take(texts) if texts else ()), *refusals)


def _event_of(pieces: tuple[Piece, ...]) -> Delta:
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return Delta("".join(texts)) if len(texts) == len(pieces) else pieces_of(pieces)


def _end(done: Done, answer: EmulatedAnswer) -> Done:
    reason = FinishReason.TOOL_CALLS if answer.has_calls else done.finish_reason
    dropped = (_DROPPED,) if answer.has_dropped else ()
    return replace(done, finish_reason=reason, adjustments=(*done.adjustments, *dropped))
