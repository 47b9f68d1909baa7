"""From the contract's parts to a turn of ours: whole ones read, streamed ones folded. Pure."""

from dataclasses import dataclass, field

from google.protobuf.message import Message as ContractMessage

from llmsvc.v1 import llm_pb2
from llmsvc_client.types import Message, Part, Role, UnknownPart


def to_message(message: llm_pb2.Message) -> Message:
    """Return a whole answer as a turn, part for part."""
    return Message(Role.ASSISTANT, parts=[_to_part(part) for part in message.parts])


def _to_part(part: llm_pb2.ContentPart) -> Part:
    if _is_newer(part):
        return UnknownPart(part.text, part.SerializeToString())
    return part.text


class StreamedMessage:
    """An answer that comes in pieces, folded into the turn that it is so far."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._parts: list[_BegunPart] = []

    def add(self, delta: llm_pb2.PartDelta) -> None:
        """Add a piece to its part: the last one, or one that begins. One of nothing is kept nowhere."""
        is_newer = _is_newer(delta)
        if not delta.text and not is_newer:
            return
        if not self._parts or self._parts[-1].index != delta.part_index:
            self._parts.append(_BegunPart(delta.part_index))
        self._parts[-1].add(delta.text, is_newer=is_newer)

    def so_far(self) -> Message:
        """Return what was said up to now, part for part."""
        return Message(Role.ASSISTANT, parts=[part.so_far() for part in self._parts])


@dataclass(slots=True)
class _BegunPart:
    index: int
    _texts: list[str] = field(default_factory=list)
    _known: bool = True

    def add(self, text: str, *, is_newer: bool) -> None:
        if text:
            self._texts.append(text)
        self._known &= not is_newer

    def so_far(self) -> Part:
        text = "".join(self._texts)
        return text if self._known else UnknownPart(text, None)


def _is_newer(message: ContractMessage) -> bool:
    """Return whether a message holds what this client does not know, at whatever depth.

    `UnknownFieldSet` sees no depth, and takes 2 us and 90 bytes for each field of two bytes
    (protobuf 7.36): 20 s for a message of 16 MiB. This takes 2 us for a short delta, 40 ms for that.
    """
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()
