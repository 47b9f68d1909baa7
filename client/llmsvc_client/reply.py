"""A whole answer: the turn, how it ended, who gave it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llmsvc.v1 import llm_pb2
from llmsvc_client.answers import Adjustment, Route, Timings, Usage
from llmsvc_client.errors import Code, Failure, NonconformingError
from llmsvc_client.json_text import read_json
from llmsvc_client.tools import OutputCheck, SchemaViolation, ToolCall
from llmsvc_client.types import FinishReason, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """A whole answer.

    Attributes:
        message: The answer as a turn, part for part, ready to be appended to the next request. In
            no repr.
        finish_reason: Why generation ended.
        stop_sequence: The sequence that matched, with STOP_SEQUENCE. Else empty.
        usage: Token counts of the attempt that answered.
        route: Who answered, and what was tried before.
        timings: Where the time went.
        adjustments: What was not run as asked. Empty means nothing.
        output_checks: What the server found of what has a schema: the text, and each call.
        request_id: The request's id in the server's logs.
        provider_response_id: The provider's own id, for its support. Empty if it has none.
        raw: The contract's message. After a stream it holds no text.
    """

    message: Message = dataclasses.field(repr=False)
    finish_reason: FinishReason
    stop_sequence: str = dataclasses.field(repr=False)
    usage: Usage
    route: Route
    timings: Timings
    adjustments: tuple[Adjustment, ...]
    output_checks: tuple[OutputCheck, ...] = ()
    request_id: str
    provider_response_id: str
    raw: llm_pb2.ChatResponse = dataclasses.field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """The answer's text, the parts joined. A refusal is no answer: see `refusal`."""
        return self.message.text

    @property
    def refusal(self) -> str:
        """The words with which the model declined.

        Not every provider has some: `finish_reason` is REFUSAL in any case, and this may be empty.
        """
        return self.message.refusal

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that the model asks for, in order."""
        return self.message.tool_calls

    def parsed(self) -> Any:  # noqa: ANN401  any JSON is
        """Return the text, which is JSON, as Python values.

        Raises:
            NonconformingError: It does not conform to the schema that was asked for, or is no JSON; or
                the model declined.
        """
        failed = [one for one in self.output_checks if not (one.tool_call_id or one.conforming)]
        if failed:
            why = "does not conform to the schema"
            if self.finish_reason is FinishReason.REFUSAL:
                why = "is a refusal"
            raise self._of_no_use(why, failed[0].violations)
        try:
            return read_json(self.text)
        except ValueError:
            raise self._of_no_use("is no JSON", [SchemaViolation("", "json")]) from None

    def _of_no_use(self, why: str, violations: Sequence[SchemaViolation]) -> NonconformingError:
        failure = Failure(
            code=Code.ABORTED,
            message=f"The answer {why}.",
            reason="MODEL_OUTPUT_INVALID",
            request_id=self.request_id,
            metadata={"cause": "responseFormat"},
            route=self.route,
        )
        return NonconformingError(
            failure, partial=self.text, usage=self.usage, violations=violations
        )
