"""From the bytes of a ChatRequest to what was asked, or to all that is wrong with it."""

from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.value import value
from llmsvc_server.rpc.chat_decoding import decode_chat
from llmsvc_server.rpc.checks import check_chat
from llmsvc_server.rpc.from_proto import chat_from_proto


@value
class ParsedRequest:
    """What a caller wants, and how it wants a stream to be told.

    `size_bytes` is the size of the request. `progress_interval_s` is None where nobody asked for
    signs of life.
    """

    chat: ChatRequest
    size_bytes: int
    final_message_included: bool
    progress_interval_s: float | None


def parse_request(raw: bytes, delivery: Delivery, caller: str) -> ParsedRequest:
    """Return what a serialised ChatRequest of a caller's asks for. It isn't kept, nor its message.

    Raises:
        InvalidRequest: It does not keep the contract.
    """
    request, unknown = decode_chat(raw)
    check_chat(request, unknown, len(raw))
    options = request.stream_options
    interval_s = None
    if options.HasField("progress_interval"):
        interval_s = options.progress_interval.ToNanoseconds() / 1e9
    return ParsedRequest(
        chat=chat_from_proto(request, delivery, caller),
        size_bytes=len(raw),
        final_message_included=options.final_message_included,
        progress_interval_s=interval_s,
    )
