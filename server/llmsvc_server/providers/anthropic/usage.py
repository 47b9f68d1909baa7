"""What an answer says of its size, in our terms. Anything may stand in these fields.

Source: docs/facts/providers.md 2.4.
"""

from llmsvc_server.chat.usage import Usage
from llmsvc_server.providers.shared.untyped import count_of, fields_of

_MAX_TOKENS = 10**9
_INPUT = "input_tokens"
_OUTPUT = "output_tokens"
_CACHE_READ = "cache_read_input_tokens"
_CACHE_WRITE = "cache_creation_input_tokens"


class Counts:
    """The figures of one answer. A later one replaces an earlier: they count from its beginning."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        """Know nothing."""
        self._latest: dict[str, int] = {}

    def begin(self, usage: object) -> None:
        """Take what was known before the first text: the output's figure is none yet."""
        self._take(usage, (_INPUT, _CACHE_READ, _CACHE_WRITE))

    def go_on(self, usage: object) -> None:
        """Take what is known by now."""
        self._take(usage, (_INPUT, _CACHE_READ, _CACHE_WRITE, _OUTPUT))

    @property
    def usage(self) -> Usage:
        """The figures in our terms; the provider's input leaves out what the cache had to do with."""
        read, written = self._latest.get(_CACHE_READ), self._latest.get(_CACHE_WRITE)
        fresh = self._latest.get(_INPUT)
        total = None if fresh is None else fresh + (read or 0) + (written or 0)
        return Usage(
            input_tokens=None if total is None or total > _MAX_TOKENS else total,
            output_tokens=self._latest.get(_OUTPUT),
            cached_input_tokens=read,
            cache_write_input_tokens=written,
        )

    def _take(self, usage: object, names: tuple[str, ...]) -> None:
        said = fields_of(usage)
        for name in names:
            count = count_of(said.get(name), _MAX_TOKENS)
            if count is not None:
                self._latest[name] = count
