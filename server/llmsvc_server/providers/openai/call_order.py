"""Calls of one answer in order: which piece belongs to which call, and one call after another. Pure.

Calls come in pieces by `index`. Servers in the field leave the index or the id out, repeat ids and
names, give each piece another id, have one index for all, or mix the pieces of two calls
(docs/facts/providers.md 1.8).
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator

from llmsvc_server.chat.parts import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALLS,
    CallPiece,
    Piece,
    Refusal,
    written_in,
)
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.openai.chunks import Content
from llmsvc_server.providers.openai.tool_calls import Entry
from llmsvc_server.providers.shared.tool_calls import unusable
from llmsvc_server.providers.shared.untyped import text_of

_MARKS = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)

_PIECE_BYTES = 128
"""About what each piece that waits takes besides."""

_SHORT_LETTERS = 1_024
_FEW_PIECES = 64
"""How much of a call's arguments is looked at in one go, which is quicker than piece by piece."""


class _Extent:
    """Tells when a JSON object or array that comes in pieces is whole. Looks when it is asked."""

    __slots__ = ("_depth", "_half", "_has_begun", "_in_text", "_is_blank", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._is_blank = True
        self._has_begun = False
        self._depth = 0
        self._in_text = False
        self._half = ""

    @property
    def is_blank(self) -> bool:
        self._look()
        return self._is_blank

    @property
    def is_whole(self) -> bool:
        self._look()
        return self._has_begun and self._depth <= 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        if len(text) > _SHORT_LETTERS or len(self._pieces) > _FEW_PIECES:
            self._look()

    def _look(self) -> None:
        text = "".join(self._pieces)
        if not text:
            return
        self._pieces.clear()
        self._is_blank = self._is_blank and text.isspace()
        marks = _MARKS.findall(self._half + text)
        for mark in marks:
            if mark == '"':
                self._in_text = not self._in_text
            elif mark[0] != "\\" and not self._in_text:
                self._depth += 1 if mark in "{[" else -1
                self._has_begun = True
        self._half = "\\" if marks and marks[-1] == "\\" else ""


class _Call:
    """One call: what it is called by, and what of its arguments waits."""

    __slots__ = ("extent", "has_begun", "id", "is_over", "name", "waiting", "waiting_letters")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.extent = _Extent()
        self.waiting: list[str] = []
        self.waiting_letters = 0
        self.has_begun = False
        self.is_over = False


class CallOrder:
    """Takes what an answer brings and gives it part by part: nothing comes into a part that began.

    A call ends once its arguments are whole and something else comes; what comes before that waits.
    """

    __slots__ = ("_by_id", "_by_index", "_count", "_kept_bytes", "_last", "_queue", "_tails")

    def __init__(self, tails: Tails) -> None:
        """Have nothing. What waits counts in `tails`."""
        self._tails = tails
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._last: _Call | None = None
        self._queue: deque[_Call | str | Refusal] = deque()
        self._count = 0
        self._kept_bytes = 0

    @property
    def is_open(self) -> bool:
        """Whether a call has begun that text must not come into."""
        return bool(self._queue)

    def add_more(self, content: Content) -> str:
        """Take what is the usual next piece of the call that is open; return its arguments.

        "" stands for anything else: it is for `add_calls`, then.
        """
        calls, call = content.tool_calls, self._last
        if call is None or len(self._queue) != 1 or not call.has_begun or call.is_over:
            return ""
        if not (isinstance(calls, list) and len(calls) == 1 and isinstance(calls[0], dict)):
            return ""
        place, function = calls[0].get("index"), calls[0].get("function")
        if content.function_call or not isinstance(function, dict) or function.get("name"):
            return ""
        if not isinstance(place, int) or self._by_index.get(place) is not call:
            return ""
        arguments = text_of(function.get("arguments"))
        call.extent.add(arguments)
        return arguments

    def add_text(self, text: str | Refusal) -> Iterator[Piece]:
        """Yield what may be passed on now that a text came, of the answer or of a refusal.

        Raises:
            ProviderError: EXHAUSTED. Too much waits.
        """
        self._queue.append(text)
        yield from self._advance()
        if self._queue:
            self._keep(len(written_in(text)))

    def add_calls(self, entries: Iterable[Entry], *, is_whole: bool) -> Iterator[Piece]:
        """Yield what may be passed on now that calls came, or pieces of some.

        Args:
            entries: What came.
            is_whole: Whether each is a call of its own, as in an answer that comes whole.

        Raises:
            ProviderError: NONCONFORMING. Nobody can run them. EXHAUSTED. Too much waits.
        """
        for entry in entries:
            yield from self._add(self._call(entry, is_apart=is_whole), entry.arguments)

    def finish(self, *, is_cut: bool) -> Iterator[Piece]:
        """Yield what waited, at the answer's end.

        Args:
            is_cut: Whether the last call may lack something. Else none without arguments does.

        Raises:
            ProviderError: NONCONFORMING. A call has no name.
        """
        while self._queue:
            first = self._queue[0]
            if isinstance(first, _Call):
                if not first.has_begun:
                    raise unusable()
                if first.extent.is_blank and not (is_cut and len(self._queue) == 1):
                    yield CallPiece(arguments_json="{}")
                first.is_over = True
            self._queue.popleft()
            yield from self._begin()

    def _call(self, entry: Entry, *, is_apart: bool) -> _Call:
        """Return the call that an entry belongs to, a new one if it opens one."""
        place, call_id, name, _ = entry
        known = self._by_id.get(call_id, self._last)
        call = known if place is None else self._by_index.get(place)
        if call is None or is_apart or _opens(call, entry):
            call = self._open()
        call.id = call.id or call_id
        call.name = call.name or name
        if place is not None:
            self._by_index[place] = call
        if call.id:
            self._by_id[call.id] = call
        self._last = call
        return call

    def _open(self) -> _Call:
        self._count += 1
        if self._count > MAX_CALLS:
            raise unusable()
        call = _Call()
        self._queue.append(call)
        return call

    def _add(self, call: _Call, arguments: str) -> Iterator[Piece]:
        if call.is_over:
            if arguments.strip():
                raise unusable()
            return
        call.extent.add(arguments)
        if call is self._queue[0]:
            yield from self._pass_on(call, arguments)
        else:
            self._hold(call, arguments)
        if len(self._queue) > 1:
            yield from self._advance()

    def _pass_on(self, call: _Call, arguments: str) -> Iterator[Piece]:
        if call.has_begun:
            if arguments:
                yield CallPiece(arguments_json=arguments)
            return
        self._hold(call, arguments)
        if call.name:
            call.has_begun = True
            waited = "".join(call.waiting)
            call.waiting.clear()
            yield CallPiece(id=call.id, name=call.name, arguments_json=waited)

    def _hold(self, call: _Call, arguments: str) -> None:
        if arguments:
            call.waiting.append(arguments)
            call.waiting_letters += len(arguments)
            if call.waiting_letters > MAX_ARGUMENTS_BYTES:
                raise unusable()
            if call is not self._queue[0]:
                self._keep(len(arguments))

    def _advance(self) -> Iterator[Piece]:
        """Yield what the end of a whole call makes room for."""
        while len(self._queue) > 1:
            first = self._queue[0]
            if not (isinstance(first, _Call) and first.has_begun and first.extent.is_whole):
                return
            first.is_over = True
            self._queue.popleft()
            yield from self._begin()

    def _begin(self) -> Iterator[Piece]:
        """Yield texts that are first now, and the beginning of the call behind them."""
        while self._queue:
            first = self._queue[0]
            if isinstance(first, _Call):
                yield from self._pass_on(first, "")
                return
            self._queue.popleft()
            yield first
        if self._kept_bytes:
            self._kept_bytes = 0
            self._tails.keep(self, 0)

    def _keep(self, letters: int) -> None:
        self._kept_bytes += letters + _PIECE_BYTES
        self._tails.keep(self, self._kept_bytes)


def _opens(call: _Call, entry: Entry) -> bool:
    """Return whether an entry where `call` is known is another call.

    It has a name, then; but servers repeat that too, and some make a new id for each piece.
    """
    if not entry.name:
        return False
    if entry.id and call.id and entry.id != call.id:
        return True
    return call.extent.is_whole and bool(entry.arguments.strip())
