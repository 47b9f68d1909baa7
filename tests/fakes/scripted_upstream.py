"""An upstream at the router's seam that plays a scripted provider's answers, and nothing around."""

from contextlib import aclosing

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import AnswerEvents, Delta, Done
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.upstreams.latency import LatencyStats, Timeouts
from llmsvc_server.upstreams.upstream import Upstream
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.scripted_provider import ScriptedProvider, Waiting


def everyday_timeouts(
    *, first_token_s: float = 60, cold_s: float = 300, min_s: float = 1.0
) -> Timeouts:
    """Return limits that no test reaches unless it means to, for a model in memory."""
    return Timeouts(
        first_token_s=first_token_s,
        with_tools_s=first_token_s,
        cold_s=cold_s,
        latency=LatencyStats(min_s=min_s),
        loads=(),
        reads_prompts=False,
    )


class ScriptedUpstream(Upstream):
    """Tells the receipt of a script's waits; hands on its text, its end, and its failures.

    Attributes:
        provider: Plays the scripts.
        info: Who it says it is.
        timeouts: Its limits on silence, which nobody enforces here.
        refuses: Why it may not be called now; None if it may.
        verdicts: What each attempt was given, in order.
        counted: What was to count, and how many attempts had been made by then.
    """

    def __init__(self, provider: ScriptedProvider, *, timeouts: Timeouts | None = None) -> None:
        """Play what `provider` says."""
        self.provider = provider
        self.info = provider.info
        self.timeouts = timeouts or everyday_timeouts()
        self.refuses: ProviderError | None = None
        self.verdicts: list[Verdicts] = []
        self.counted: list[tuple[Verdicts, int]] = []

    @override
    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Return the reason, as a fresh failure."""
        return None if self.refuses is None else self.refuses.unsent(self.refuses.retry_after_s)

    @override
    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what the provider says."""
        return self.provider.missing(model, needs)

    @override
    async def run(
        self, request: ChatRequest, limits: AttemptLimits, receipt: Receipt, verdicts: Verdicts
    ) -> AnswerEvents:
        """Play the next script."""
        self.verdicts.append(verdicts)
        has_content = False
        async with aclosing(self.provider.stream_chat(request, limits)) as events:
            async for event in events:
                match event:
                    case Waiting():
                        receipt.wait(event.phase)
                    case Delta():
                        if not has_content:
                            receipt.hear()
                        has_content = True
                        yield event
                    case Done():
                        yield event
                    case _:  # a sign of life
                        pass

    @override
    def count(self, verdicts: Verdicts) -> None:
        """Remember that they count, and how many attempts had been made by then."""
        self.counted.append((verdicts, len(self.verdicts)))
