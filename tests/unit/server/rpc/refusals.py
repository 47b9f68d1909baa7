"""Requests to check, and what is refused about them."""

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import InvalidRequest, Violation
from llmsvc_server.rpc.parsing import parse_request

SYSTEM, USER, ASSISTANT = llm_pb2.ROLE_SYSTEM, llm_pb2.ROLE_USER, llm_pb2.ROLE_ASSISTANT


def message(role: int = USER, *texts: str) -> llm_pb2.Message:
    """Return one message with a part per text, "hi" if there is none."""
    parts = [llm_pb2.ContentPart(text=text) for text in texts or ("hi",)]
    return llm_pb2.Message(role=role, parts=parts)  # type: ignore[arg-type]  # any number


def of(*messages: llm_pb2.Message) -> llm_pb2.ChatRequest:
    """Return a request with these messages and nothing else."""
    return llm_pb2.ChatRequest(messages=messages)


def told(request: llm_pb2.ChatRequest) -> list[Violation]:
    """Return what is wrong with a request; nothing if it is accepted."""
    try:
        _ = parse_request(request.SerializeToString(), Delivery.WHOLE, "")
    except InvalidRequest as error:
        return list(error.violations)
    return []


def fields_refused(request: llm_pb2.ChatRequest) -> list[str]:
    """Return the paths of the fields that are refused."""
    return [one.field for one in told(request)]
