"""Pieces of an answer on their way to a turn."""

import tracemalloc

from llmsvc.v1 import llm_pb2
from llmsvc_client.parts import StreamedMessage
from llmsvc_client.types import Message, Role


def test_pieces_of_nothing_are_kept_nowhere() -> None:
    message = StreamedMessage()
    message.add(llm_pb2.PartDelta(part_index=0, text="a"))
    tracemalloc.start()
    for index in range(2_000):
        message.add(llm_pb2.PartDelta(part_index=index % 2))
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message.add(llm_pb2.PartDelta(part_index=0, text="b"))

    assert kept_bytes < 20_000
    assert Message(Role.ASSISTANT, "ab") == message.so_far()
