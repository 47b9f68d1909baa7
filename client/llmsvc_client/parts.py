"""From the contract's parts to a turn of ours: whole ones read, streamed ones folded. Pure."""

from dataclasses import dataclass, field

from llmsvc.v1 import llm_pb2
from llmsvc_client.types import Message, Role


def to_message(message: llm_pb2.Message) -> Message:
    """Return a whole answer as a turn, part for part."""
    return Message(Role.ASSISTANT, parts=[part.text for part in message.parts])


class StreamedMessage:
    """An answer that comes in pieces, folded into the turn that it is so far."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._parts: list[_BegunPart] = []

    def add(self, delta: llm_pb2.PartDelta) -> None:
        """Add a piece to its part: the last one, or one that begins."""
        if not self._parts or self._parts[-1].index != delta.part_index:
            self._parts.append(_BegunPart(delta.part_index))
        self._parts[-1].texts.append(delta.text)

    def so_far(self) -> Message:
        """Return what was said up to now, part for part."""
        return Message(Role.ASSISTANT, parts=["".join(part.texts) for part in self._parts])


@dataclass(slots=True)
class _BegunPart:
    index: int
    texts: list[str] = field(default_factory=list)
