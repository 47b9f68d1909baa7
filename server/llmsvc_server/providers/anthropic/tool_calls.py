"""Arguments of a call as they were written, where they come whole: read from the bytes once more. Pure."""

import msgspec

from llmsvc_server.providers.shared.tool_calls import unusable
from llmsvc_server.providers.shared.untyped import UNREADABLE


class _Block(msgspec.Struct, frozen=True):
    input: msgspec.Raw = msgspec.Raw()


class _Start(msgspec.Struct, frozen=True):
    content_block: _Block = _Block()


class _Whole(msgspec.Struct, frozen=True):
    content: tuple[_Block, ...] = ()


_start = msgspec.json.Decoder(_Start)
_whole = msgspec.json.Decoder(_Whole)


def written_at_start(data: bytes) -> str:
    """Return the arguments in the event that begins a block.

    Raises:
        ProviderError: NONCONFORMING. It can't be told what they are.
    """
    try:
        return bytes(_start.decode(data).content_block.input).decode()
    except UNREADABLE:
        raise unusable() from None


def written_in_whole(body: bytes, number: int) -> str:
    """Return the arguments in the block of that number of an answer that came in one body.

    Raises:
        ProviderError: NONCONFORMING. It can't be told what they are.
    """
    try:
        return bytes(_whole.decode(body).content[number].input).decode()
    except (*UNREADABLE, IndexError):
        raise unusable() from None
