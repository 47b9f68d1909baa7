"""Canned answers, for trying the service without a model. Deterministic, and says what it is."""

from collections.abc import Iterator

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done, pieces_of
from llmsvc_server.chat.features import Capability, ChoiceMode
from llmsvc_server.chat.parts import CallPiece, ToolCall, written_in
from llmsvc_server.chat.request import SAMPLING_SETTINGS, ChatRequest, Role, Sampling
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue, ListedModel
from llmsvc_server.schemas.smallest import smallest

_ANSWER = (
    "CANNED ANSWER: this comes from the mock provider, not from a model. "
    "It received {messages} with {words} in all, and read none of it. "
    "For real answers start an Ollama, or configure another provider."
)

_AFTER_RESULT = (
    "CANNED ANSWER: this comes from the mock provider, not from a model. "
    "It received {results} of a tool, {messages} with {words} in all, and read none of it."
)
_CHUNK_LENGTH = 8


class MockProvider:
    """A `ChatProvider` and a `ListsModels` with one model; its tokens are words."""

    def __init__(self, name: str, *, model: str, max_output_tokens: int) -> None:
        """Be called `name`, its model `model`, and write at most so many words."""
        self._info = ProviderInfo(name=name, kind=ProviderKind.MOCK, locality=Locality.LOCAL)
        self._model = model
        self._max_output_tokens = max_output_tokens

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:  # noqa: ARG002  of one model, whatever is needed
        """Return nothing: it pretends to all of it."""
        return frozenset()

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:  # noqa: ARG002  it never waits
        """Answer one chat, word by word. Of the prompt only its size comes back.

        Raises:
            ProviderError: MODEL_OUTPUT. No document was found that the request's schema allows.
        """
        max_words = request.sampling.limit(self._max_output_tokens)
        adjustments = request.sampling.report_limit(max_words)
        call = _call(request)
        if call is None:
            words, reason, stop_sequence = _say(request)
        else:
            words, reason, stop_sequence = _arguments(request), FinishReason.TOOL_CALLS, ""
            yield pieces_of([call])
        if len(words) > max_words:
            words, reason, stop_sequence = words[:max_words], FinishReason.MAX_TOKENS, ""
        for word in words:
            yield Delta(word) if call is None else pieces_of([CallPiece(arguments_json=word)])
        yield Done(
            finish_reason=reason,
            stop_sequence=stop_sequence,
            usage=Usage(input_tokens=_size(request), output_tokens=len(words)),
            adjustments=(*adjustments, *_report_ignored(request.sampling)),
        )

    async def catalogue(self) -> Catalogue:
        """Return its one model, which is always in memory."""
        return Catalogue(
            models={self._model: ListedModel(self._model)}, loaded={self._model: ""}, version=""
        )

    def identity(self, name: str) -> str | None:
        """Return the name without the spaces around it; None if nothing is left."""
        return name.strip() or None


def _call(request: ChatRequest) -> CallPiece | None:
    """Return the beginning of a call of the first tool, unless a result came that may be told of."""
    offered, choice = request.features.offered, request.features.choice
    has_result = request.messages[-1].role is Role.TOOL
    if not offered or (has_result and choice.mode is not ChoiceMode.REQUIRED):
        return None
    before = sum(isinstance(part, ToolCall) for one in request.messages for part in one.parts)
    return CallPiece(id=f"call_canned_{before + 1}", name=offered[0].name)


def _arguments(request: ChatRequest) -> list[str]:
    return _chunks(_document(request.features.offered[0].parameters_json_schema, "toolCall"))


def _say(request: ChatRequest) -> tuple[list[str], FinishReason, str]:
    """Return a document or an answer in words, why it ends, and the stop sequence that ends it."""
    shape = request.features.response_format
    last = request.messages[-1]
    if shape is not None:
        return _chunks(_document(shape.json_schema, "responseFormat")), FinishReason.STOP, ""
    answer = (_AFTER_RESULT if last.role is Role.TOOL else _ANSWER).format(
        messages=_count(len(request.messages), "message"),
        words=_count(_size(request), "word"),
        results=_count(len(last.parts), "result"),
    )
    text, stop_sequence = _stop_at(answer, request.sampling.stop_sequences)
    reason = FinishReason.STOP_SEQUENCE if stop_sequence else FinishReason.STOP
    return _words(text), reason, stop_sequence


def _document(schema: str, cause: str) -> str:
    document = smallest(schema) if schema else "{}"
    if document is None:
        raise ProviderError(ErrorKind.MODEL_OUTPUT, cause=cause)
    return document


def _chunks(text: str) -> list[str]:
    return [text[at : at + _CHUNK_LENGTH] for at in range(0, len(text), _CHUNK_LENGTH)]


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(request: ChatRequest) -> int:
    return sum(
        len(written_in(part).split()) for message in request.messages for part in message.parts
    )


def _words(text: str) -> list[str]:
    """Return a text in pieces that join to it again, each but the first with a space before it."""
    first, *others = text.split(" ")
    return [piece for piece in (first, *(f" {word}" for word in others)) if piece]


def _stop_at(text: str, sequences: tuple[str, ...]) -> tuple[str, str]:
    """Return the text before the first stop sequence in it, and that sequence."""
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return text, ""
    position, sequence = min(found)
    return text[:position], sequence


def _report_ignored(sampling: Sampling) -> Iterator[Adjustment]:
    for name in SAMPLING_SETTINGS:
        if getattr(sampling, name) is not None:
            yield Adjustment(
                field=f"generation_config.{name}",
                action=Action.IGNORED,
                description="The mock has no such setting.",
            )
