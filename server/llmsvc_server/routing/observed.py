"""Wrapper: how long an attempt took, how fast its provider is, and one report when it is over."""

from contextlib import aclosing
from dataclasses import replace

from llmsvc_server.chat.deadline import AttemptLimits, Clock
from llmsvc_server.chat.events import ChatEvents, Delta, Done, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import AttemptEnd, AttemptReport, Reporter
from llmsvc_server.routing.pace import Pace


class Observed:
    """Says who failed, at what, and after how long; outermost, so that waits count."""

    def __init__(
        self, inner: ChatProvider, *, pace: Pace, reporter: Reporter, clock: Clock
    ) -> None:
        """Watch `inner`; keep `pace` up to date."""
        self._inner = inner
        self._pace = pace
        self._reporter = reporter
        self._clock = clock

    @property
    def info(self) -> ProviderInfo:
        """The watched provider."""
        return self._inner.info

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Pass the answer on; report how the attempt ended, once.

        Raises:
            ProviderError: As the watched provider, with `elapsed_s`, `ran_s` and `written_tokens`.
        """
        began_s = sent_s = self._clock()
        first_s: float | None = None
        written = 0
        end = AttemptEnd.LEFT
        try:
            async with aclosing(self._inner.stream_chat(request, limits)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        written += len(event.text)
                        if first_s is None and event.text:
                            first_s = self._clock() - sent_s
                    elif isinstance(event, Done):
                        end = AttemptEnd.ANSWERED
                        self._note(request.model, event, first_s, self._clock() - sent_s)
                    elif isinstance(event, Waiting) and event.phase is Phase.PROVIDER:
                        sent_s = self._clock()
                    yield event
        except ProviderError as error:
            end = AttemptEnd.FAILED
            self._note_silence(error, request.model, limits)
            now_s = self._clock()
            failure = replace(
                error,
                elapsed_s=now_s - began_s,
                ran_s=now_s - sent_s,
                written_tokens=estimated_tokens(written),
            )
            self._report(request.model, end, now_s - began_s, first_s, failure)
            raise failure from None
        finally:
            if end is not AttemptEnd.FAILED:
                self._report(request.model, end, self._clock() - began_s, first_s)

    def _report(
        self,
        model: str,
        end: AttemptEnd,
        duration_s: float,
        first_s: float | None,
        error: ProviderError | None = None,
    ) -> None:
        self._reporter.attempt_finished(
            AttemptReport(
                provider=self._inner.info,
                model=model,
                end=end,
                error=error,
                duration_s=duration_s,
                first_content_s=first_s,
            )
        )

    def _note_silence(self, error: ProviderError, model: str, limits: AttemptLimits) -> None:
        silent = error.kind is ErrorKind.SILENT and error.phase == "first_token"
        if silent and limits.is_full_length:
            self._pace.was_silent(model)

    def _note(self, model: str, done: Done, first_s: float | None, total_s: float) -> None:
        first_s = total_s if first_s is None else first_s
        self._pace.answered(model, first_token_s=first_s, total_s=total_s)
        read = (done.usage.input_tokens or 0) - (done.usage.cached_input_tokens or 0)
        if read > 0 and done.timings.prompt_s is not None:
            self._pace.read(model, tokens=read, took_s=done.timings.prompt_s)
