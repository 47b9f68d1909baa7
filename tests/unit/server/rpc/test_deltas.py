import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.parts import CallPiece, Refusal
from llmsvc_server.rpc.deltas import encode_delta, encode_piece


def message(text: str, part_index: int = 0) -> bytes:
    """Return what protobuf makes of it."""
    delta = llm_pb2.PartDelta(part_index=part_index, text=text)
    return llm_pb2.ChatStreamResponse(delta=delta).SerializeToString()


@given(st.text(max_size=300), st.just(0) | st.integers(0, 2**31 - 1))
def test_any_text_of_any_part_is_encoded_as_protobuf_does(text: str, part_index: int) -> None:
    assert message(text, part_index) == encode_delta(text, part_index)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 16_379, 16_383, 16_384, 2_097_152])
def test_any_size_is_too(size: int) -> None:
    assert message("x" * size) == encode_delta("x" * size)


@given(
    st.text(max_size=200), st.text(max_size=200), st.text(max_size=300), st.integers(0, 2**31 - 1)
)
def test_any_piece_of_a_call_is_too(name: str, call_id: str, more: str, part_index: int) -> None:
    piece = CallPiece(id=call_id, name=name, arguments_json=more)
    call = llm_pb2.ToolCallDelta(id=call_id, name=name, arguments_json=more)
    delta = llm_pb2.PartDelta(part_index=part_index, tool_call=call)

    assert llm_pb2.ChatStreamResponse(delta=delta).SerializeToString() == encode_piece(
        piece, part_index
    )
    assert message(more, part_index) == encode_piece(more, part_index)


@given(st.text(max_size=300), st.integers(0, 2**31 - 1))
def test_any_piece_of_a_refusal_is_too(words: str, part_index: int) -> None:
    delta = llm_pb2.PartDelta(part_index=part_index, refusal=words)

    assert llm_pb2.ChatStreamResponse(delta=delta).SerializeToString() == encode_piece(
        Refusal(text=words), part_index
    )
