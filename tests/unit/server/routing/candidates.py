"""Targets and candidates for tests of who is asked, and what follows."""

import random
from dataclasses import dataclass, field, replace

from llmsvc_server.chat.request import SERVERS_ROUTING, Delivery, Routing
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind, TargetName
from llmsvc_server.errors import ProviderError
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.pace import Pace
from llmsvc_server.routing.plan import Candidate, Entry, Plan
from llmsvc_server.routing.schedule import Schedule, Step
from tests.fakes.chances import STEADY
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider

TIME_S = 60.0


def info_of(name: str, locality: Locality = Locality.REMOTE) -> ProviderInfo:
    """Return a provider of kind openai called `name`."""
    return ProviderInfo(name=name, kind=ProviderKind.OPENAI, locality=locality)


@dataclass(slots=True, kw_only=True)
class Asked:
    """A candidate whose breakers and limits a test sets.

    Attributes:
        name: The provider's.
        first_token_s, least_s: Its patience, and what it needs at least.
        window_tokens: Its context window.
        locality: Where it runs.
        refuses: Why it may not be called now, if it may not.
    """

    name: str = "a"
    first_token_s: float = 10.0
    least_s: float = 1.0
    window_tokens: int | None = None
    locality: Locality = Locality.REMOTE
    refuses: ProviderError | None = None
    pace: Pace = field(default_factory=lambda: Pace(least_s=1.0))

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:  # noqa: ARG002  as asked
        """Return the reason, as a fresh failure."""
        return None if self.refuses is None else self.refuses.unsent(self.refuses.retry_after_s)

    def candidate(self) -> Candidate:
        """Return it as the plan does."""
        info = info_of(self.name, self.locality)
        self.pace = Pace(least_s=self.least_s)
        return Candidate(
            info=info,
            provider=ScriptedProvider(info=info),
            model="m",
            patience=Patience(
                first_token_s=self.first_token_s,
                cold_s=100.0,
                is_loaded=lambda _model: True,
                pace=self.pace,
                reads_prompts=False,
            ),
            window_tokens=self.window_tokens,
            refusal=self.refusal,
        )


@dataclass(slots=True, kw_only=True)
class Walk:
    """A schedule, its clock, the steps that it has handed out, and whom it skipped."""

    schedule: Schedule
    clock: ManualClock
    steps: list[Step] = field(default_factory=list)
    skipped: list[ProviderError] = field(default_factory=list)

    def step(self) -> Step | None:
        """Take the next step."""
        while isinstance(step := self.schedule.next(), ProviderError):
            self.skipped.append(step)
        if step is not None:
            self.steps.append(step)
        return step

    def fail(self, *errors: ProviderError) -> list[str]:
        """Fail each attempt with the next error; return who was asked."""
        asked: list[str] = []
        for error in errors:
            step = self.step()
            if step is None:
                break
            asked.append(step.candidate.info.name)
            self.clock.advance(step.pause_s)
            candidate = step.candidate
            failure = replace(error, provider=candidate.info, model=candidate.model)
            self.schedule.failed(step, failure)
        return asked


def walk(  # noqa: PLR0913  what a call may vary, by keyword
    *entries: Asked | ProviderError,
    time_s: float = TIME_S,
    text: str = "hi",
    delivery: Delivery = Delivery.STREAM,
    routing: Routing = SERVERS_ROUTING,
    is_cut: bool = False,
    remote_when_busy: bool = True,
    privacy: Privacy = Privacy.CLOUD_ALLOWED,
    names_target: bool = False,
    rng: random.Random = STEADY,
) -> Walk:
    """Return the schedule of a call over `entries`, in their order."""
    clock = ManualClock()
    planned: list[Entry] = []
    for position, entry in enumerate(entries):
        if isinstance(entry, Asked):
            planned.append(entry.candidate())
        else:
            info = entry.provider or info_of(f"skipped-{position}")
            planned.append(replace(entry, provider=info))
    schedule = Schedule(
        Plan(privacy=privacy, entries=planned, is_cut=is_cut, names_target=names_target),
        chat_request(text, delivery=delivery, routing=routing),
        in_s(time_s, clock),
        remote_when_busy=remote_when_busy,
        rng=rng,
    )
    return Walk(schedule=schedule, clock=clock)


def of(info: ProviderInfo, error: ProviderError) -> ProviderError:
    """Return a failure as that of `info`."""
    return replace(error, provider=info)


def named(*targets: tuple[str, str], **more: object) -> Routing:
    """Return a request's routing with targets by provider and model."""
    names = tuple(TargetName(provider=provider, model=model) for provider, model in targets)
    return Routing(targets=names, **more)  # type: ignore[arg-type]  # fields of Routing
