"""What is said about answers and failures, for programs: the facts of `-v` too. Pure."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from llmsvc_client.errors import (
    Code,
    Failure,
    InvalidRequestError,
    LlmsvcError,
    NonconformingError,
    ServerError,
    StreamInterruptedError,
)
from llmsvc_client.reply import ChatReply
from llmsvc_client.tools import ToolCall


def reply_json(reply: ChatReply) -> str:
    """Return the contract's `ChatResponse` as one line of JSON, in ASCII.

    Raises:
        ServerError: It holds what JSON can't, such as a length of time that is out of range.
    """
    try:
        return json.dumps(json_format.MessageToDict(reply.raw)) + "\n"
    except json_format.Error as error:
        raise _unshowable(reply) from error


def call_json(call: ToolCall, reply: ChatReply) -> str:
    """Return a call of an answer as one line of JSON: its arguments are those that the model wrote.

    Raises:
        ServerError: The arguments are no JSON object.
    """
    try:
        call.arguments()
    except ValueError:
        raise _unshowable(reply) from None
    # JSON's strings hold no ends of lines, so that these here are space between its words.
    arguments = call.arguments_json.translate({ord("\n"): " ", ord("\r"): " "}).strip()
    return (
        f'{{"id": {json.dumps(call.id)}, "name": {json.dumps(call.name)},'
        f' "arguments": {arguments}}}\n'
    )


def _unshowable(reply: ChatReply) -> ServerError:
    failure = Failure(
        code=Code.INTERNAL,
        message="The server's answer can't be shown as JSON.",
        request_id=reply.request_id,
    )
    return ServerError(failure)


def failure_json(error: LlmsvcError) -> str:
    """Return a failure as one line of JSON, in ASCII; absent facts are left out.

    `route` and `usage` are the contract's `RouteInfo` and `Usage`.
    """
    facts: dict[str, object] = {
        "code": error.code.value,
        "reason": error.reason,
        "message": error.message,
        "requestId": error.request_id,
        "retryable": error.retryable,
        "retryAfterSeconds": error.retry_after_s,
        "metadata": dict(error.metadata),
    }
    if isinstance(error, InvalidRequestError):
        facts["violations"] = [
            {"field": each.field, "reason": each.reason, "description": each.description}
            for each in error.violations
        ]
    if error.route is not None:
        facts["route"] = _to_json(error.route.raw)
    if isinstance(error, NonconformingError | StreamInterruptedError) and error.usage is not None:
        facts["usage"] = _to_json(error.usage.raw)
    known = {name: fact for name, fact in facts.items() if fact not in ("", None, {})}
    return json.dumps({"error": known})


def _to_json(detail: Message) -> dict[str, Any]:
    """Return a detail as JSON has it; nothing if it can't be."""
    try:
        return json_format.MessageToDict(detail)
    except json_format.Error:
        return {}
