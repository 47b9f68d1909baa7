import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.rpc.deltas import encoded_delta


def message(text: str) -> bytes:
    """Return what protobuf makes of it."""
    return llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(text=text)).SerializeToString()


@given(st.text(max_size=300))
def test_any_text_is_encoded_as_protobuf_does(text: str) -> None:
    assert message(text) == encoded_delta(text)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 16_379, 16_383, 16_384, 2_097_152])
def test_any_size_is_too(size: int) -> None:
    assert message("x" * size) == encoded_delta("x" * size)
