"""What an answer is held to before it is whole: that its calls are of use, and that it conforms.

Rules: docs/failover.md 3.4.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import AnswerEvents, Delta, Done, pieces_in
from llmsvc_server.chat.features import ChoiceMode, Features, UnsupportedAction
from llmsvc_server.chat.output_check import OutputCheck
from llmsvc_server.chat.parts import AnswerParts, Part, ToolCall, written_in
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.chat.value import value
from llmsvc_server.errors import Overloaded, ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.routing.emulate import FORMATS, emulate
from llmsvc_server.routing.emulated_answer import read_emulated
from llmsvc_server.routing.fit import degrade
from llmsvc_server.routing.held import Share
from llmsvc_server.routing.targets import Candidate
from llmsvc_server.schemas.check import check_answer, is_json_object

ROW = "C10"
TOOL_CALL = "toolCall"
RESPONSE_FORMAT = "responseFormat"

_CUT = frozenset({FinishReason.MAX_TOKENS, FinishReason.CONTEXT_LENGTH})
_REFUSED = frozenset({FinishReason.CONTENT_FILTER, FinishReason.REFUSAL})


@value
class Conformance:
    """What one candidate's answer is held to.

    `wanted` is what the caller asks for, `asked` what is left of it for this candidate, and
    `adjustments` say the difference. `is_emulated` says that the model was told of tools in its
    prompt: see `read`.
    """

    wanted: Features
    asked: Features
    adjustments: tuple[Adjustment, ...]
    is_emulated: bool = False

    def read(self, events: AnswerEvents) -> AnswerEvents:
        """Return what an attempt writes as the answer that it is held to."""
        if not self.is_emulated:
            return events
        return read_emulated(events, self.wanted)

    def judge(self, parts: tuple[Part, ...], done: Done) -> Done:
        """Return the end of an answer with what was found in it.

        Args:
            parts: Of the answer; its texts only matter where a format is asked for.
            done: Its end.

        Raises:
            ProviderError: NONCONFORMING. The request does not allow such an answer.
        """
        calls = [part for part in parts if isinstance(part, ToolCall)]
        self._check_calls(calls, done.finish_reason)
        checks = check_answer(self.wanted, parts, done.finish_reason)
        if done.finish_reason not in _REFUSED:
            for one in checks:
                if one.violations and self._is_required(one, calls):
                    raise _refused(TOOL_CALL if one.tool_call_id else RESPONSE_FORMAT)
        adjustments = (*self.adjustments, *done.adjustments)
        return replace(done, output_checks=checks, adjustments=adjustments)

    def _check_calls(self, calls: Sequence[ToolCall], reason: FinishReason) -> None:
        offered = {tool.name for tool in self.asked.offered}
        must_call = bool(offered) and self.asked.choice.mode is ChoiceMode.REQUIRED
        if must_call and not calls and reason not in _CUT | _REFUSED:
            raise _refused(TOOL_CALL)
        for call in calls:
            if call.name not in offered or not is_json_object(call.arguments_json):
                raise _refused(TOOL_CALL)

    def _is_required(self, check: OutputCheck, calls: Sequence[ToolCall]) -> bool:
        if not check.tool_call_id:
            shape = self.wanted.response_format
            return shape is not None and shape.conformance_required
        strict = {tool.name for tool in self.asked.tools if tool.conformance_required}
        return any(call.id == check.tool_call_id and call.name in strict for call in calls)


def hold(request: ChatRequest, candidate: Candidate) -> tuple[ChatRequest, Conformance]:
    """Return what a candidate is asked of a request with features, and what its answer is held to."""
    missing, wanted = candidate.missing, request.features
    if missing and wanted.unsupported is UnsupportedAction.EMULATE:
        lacks = candidate.upstream.missing(candidate.model, FORMATS)
        made = emulate(request, missing, lacks)
        return made.request, Conformance(
            wanted=wanted,
            asked=wanted,
            adjustments=made.adjustments,
            is_emulated=made.reads_tools,
        )
    asked, adjustments = degrade(request, missing) if missing else (request, ())
    return asked, Conformance(wanted=wanted, asked=asked.features, adjustments=adjustments)


async def settle(
    events: AnswerEvents, conformance: Conformance, parts: tuple[Part, ...], done: Done
) -> Done:
    """Return what `judge` says. What it raises comes as if from `events`: who runs them sees it.

    Raises:
        ProviderError: NONCONFORMING.
    """
    try:
        return conformance.judge(parts, done)
    except ProviderError as error:
        return cast("Done", await events.athrow(error))  # it always raises


async def follow(
    first: Delta, events: AnswerEvents, conformance: Conformance, share: Share
) -> AnswerEvents:
    """Pass on the rest of a stream, its end with what was found in all of it.

    Args:
        first: What has been passed on already.
        events: What comes behind it.
        conformance: What all of it is held to.
        share: Counts what is gathered for that.

    Raises:
        ProviderError: As of `events`, or NONCONFORMING.
        StreamInterrupted: There is no room for what has to be gathered.
    """
    parts = AnswerParts()
    takes_text = conformance.wanted.response_format is not None
    try:
        _gather(first, parts, share, takes_text=takes_text)
        async for event in events:
            if isinstance(event, Done):
                yield await settle(events, conformance, parts.fold(), event)
                continue
            _gather(event, parts, share, takes_text=takes_text)
            if share.bytes > share.max_bytes:
                await events.athrow(ProviderError(ErrorKind.PROTOCOL, phase="stream"))
            yield event
    finally:
        share.clear()


def _gather(event: Delta, parts: AnswerParts, share: Share, *, takes_text: bool) -> None:
    for piece in pieces_in(event):
        if takes_text or not isinstance(piece, str):
            try:
                share.add(written_in(piece))
            except Overloaded:
                raise StreamInterrupted(InterruptCause.OVERLOAD) from None
            parts.add(piece)


def _refused(cause: str) -> ProviderError:
    return ProviderError(ErrorKind.NONCONFORMING, row=ROW, cause=cause)
