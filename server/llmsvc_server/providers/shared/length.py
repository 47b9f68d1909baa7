"""How long an answer may get. We hold what an upstream was asked for: it may not."""

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.usage import FinishReason, Usage, estimated_tokens
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind

LETTERS_PER_TOKEN = 256
"""More than any token stands for, so that no honest answer is cut.

The longest that vocabularies in use have are 128 characters: blanks, and lines of "-" or "=".
"""


class Length:
    """Counts the text of one answer.

    Attributes:
        is_over: Whether it is longer than the tokens that were asked for can be.
    """

    __slots__ = ("_bytes", "_letters", "_max_bytes", "_max_letters", "is_over")

    def __init__(self, max_tokens: int | None, *, max_bytes: int) -> None:
        """Have none.

        Args:
            max_tokens: What the upstream was asked for at most; None for no number.
            max_bytes: Longest answer whatever it was asked for, in UTF-8.
        """
        self.is_over = False
        self._letters = 0
        self._bytes = 0
        self._max_letters = None if max_tokens is None else max_tokens * LETTERS_PER_TOKEN
        self._max_bytes = max_bytes

    def add(self, text: str) -> None:
        """Count what comes next.

        Raises:
            ProviderError: PROTOCOL. No answer may be so long.
        """
        letters = len(text)
        self._letters += letters
        self._bytes += letters if text.isascii() else len(text.encode())
        if self._bytes > self._max_bytes:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", phase="stream")
        if self._max_letters is not None and self._letters > self._max_letters:
            self.is_over = True

    def end(self, adjustments: tuple[Adjustment, ...] = ()) -> Done:
        """Return how an answer that is over ended, although its upstream goes on.

        Args:
            adjustments: What was not run as asked.
        """
        written = Usage(output_tokens=estimated_tokens(self._letters), output_estimated=True)
        return Done(finish_reason=FinishReason.MAX_TOKENS, usage=written, adjustments=adjustments)
