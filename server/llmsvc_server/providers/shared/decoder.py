"""JSON of one kind out of bytes that may hold anything: bounded, typed, or a `ProviderError`."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.lenient import read_leniently
from llmsvc_server.providers.shared.untyped import SHORT_BYTES, UNREADABLE, is_overgrown

T = TypeVar("T")


class Decoder(Generic[T]):
    """Decodes documents of one kind. What it refuses may still be read leniently.

    Attributes:
        decode_few: As `decode_lines`, for lines of `SHORT_BYTES` at most; raises `UNREADABLE`. It is
            msgspec's own: every token goes this way.
    """

    def __init__(self, kind: type[T]) -> None:
        """Make `kind`, which is a struct."""
        self._kind = kind
        decoder = msgspec.json.Decoder(kind)
        self._decode = decoder.decode
        self.decode_few = decoder.decode_lines

    def decode(self, data: bytes) -> T:
        """Return the document in `data`.

        Raises:
            ProviderError: PROTOCOL. There is none, or it holds more than any answer.
        """
        if len(data) > SHORT_BYTES:
            _check(data)
        try:
            return self._decode(data)
        except UNREADABLE:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None

    def decode_lines(self, block: bytes) -> Sequence[T]:
        """Return the documents of whole lines; blank lines hold none.

        Raises:
            ProviderError: PROTOCOL. One of them is none, or they hold more than any answer.
        """
        if len(block) > SHORT_BYTES:
            _check(block)
        try:
            return self.decode_few(block)
        except UNREADABLE:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None

    def find(self, data: bytes | msgspec.Raw) -> T | None:
        """Return the document in `data`, a short one; None where there is none."""
        try:
            return self._decode(data)
        except UNREADABLE:
            return None

    def reread(self, data: bytes) -> T:
        """Return the document in what `decode` refused; see `read_leniently`.

        Raises:
            ProviderError: PROTOCOL. It can't be read so either.
        """
        return read_leniently(data, self._kind)

    def can_read(self, data: bytes) -> bool:
        """Return whether `data` hold a document, however it is read: it is not cut, then."""
        try:
            _ = self.decode(data)
        except ProviderError:
            try:
                _ = self.reread(data)
            except ProviderError:
                return False
        return True


def _check(data: bytes) -> None:
    if is_overgrown(data):
        raise ProviderError(ErrorKind.PROTOCOL, row="C08")
