"""Canned answers, for trying the service without a model. Deterministic, and says what it is."""

from collections.abc import Iterator

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.request import SAMPLING_SETTINGS, ChatRequest, Sampling
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.abilities import Catalogue

_ANSWER = (
    "CANNED ANSWER: this comes from the mock provider, not from a model. "
    "It received {messages} with {words} in all, and read none of it. "
    "For real answers start an Ollama, or configure another provider."
)


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

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:  # noqa: ARG002  of no model
        """Return `needs`: it writes texts only."""
        return needs

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:  # noqa: ARG002  it never waits
        """Answer one chat, word by word. Of the prompt only its size comes back."""
        max_words = request.sampling.limit(self._max_output_tokens)
        adjustments = request.sampling.report_limit(max_words)
        text, stop_sequence = _stop_at(_answer(request), request.sampling.stop_sequences)
        words = _words(text)
        reason = FinishReason.STOP_SEQUENCE if stop_sequence else FinishReason.STOP
        if len(words) > max_words:
            words, reason, stop_sequence = words[:max_words], FinishReason.MAX_TOKENS, ""
        for word in words:
            yield Delta(word)
        yield Done(
            finish_reason=reason,
            stop_sequence=stop_sequence,
            usage=Usage(input_tokens=_size(request), output_tokens=len(words)),
            adjustments=(*adjustments, *_report_ignored(request.sampling)),
        )

    async def catalogue(self) -> Catalogue:
        """Return its one model, which is always in memory."""
        return Catalogue(
            models={self._model: self._model}, loaded=frozenset({self._model}), version=""
        )

    def identity(self, name: str) -> str | None:
        """Return the name without the spaces around it; None if nothing is left."""
        return name.strip() or None


def _answer(request: ChatRequest) -> str:
    return _ANSWER.format(
        messages=_count(len(request.messages), "message"), words=_count(_size(request), "word")
    )


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(request: ChatRequest) -> int:
    return sum(len(message.text.split()) for message in request.messages)


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
