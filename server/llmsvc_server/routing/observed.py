"""Wrapper: one report per failed attempt."""

from contextlib import aclosing

from llmsvc_server.chat.deadline import Budget, Clock
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import AttemptReport, Reporter


class Observed:
    """Says who failed, at what, and after how long; outermost, so that waits count."""

    def __init__(self, inner: ChatProvider, *, reporter: Reporter, clock: Clock) -> None:
        """Watch `inner`."""
        self._inner = inner
        self._reporter = reporter
        self._clock = clock

    @property
    def info(self) -> ProviderInfo:
        """The watched provider."""
        return self._inner.info

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Pass the answer on; report a failure.

        Raises:
            ProviderError: As the watched provider.
        """
        began_s = self._clock()
        first_s: float | None = None
        try:
            async with aclosing(self._inner.stream_chat(request, budget)) as events:
                async for event in events:
                    if first_s is None:
                        first_s = self._clock() - began_s
                    yield event
        except ProviderError as error:
            self._reporter.attempt_failed(
                AttemptReport(
                    provider=self._inner.info,
                    model=request.model,
                    error=error,
                    duration_s=self._clock() - began_s,
                    first_event_s=first_s,
                )
            )
            raise
