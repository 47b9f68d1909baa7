"""Targets and candidates for tests of who is asked, and what follows."""

import random
from dataclasses import dataclass, field, replace

from llmsvc_server.chat.request import SERVERS_ROUTING, Delivery, Routing
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind, TargetName
from llmsvc_server.errors import ProviderError
from llmsvc_server.routing.plan import Entry, Plan
from llmsvc_server.routing.schedule import Schedule, Step
from llmsvc_server.routing.targets import Candidate
from tests.fakes.chances import STEADY
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider
from tests.fakes.scripted_upstream import ScriptedUpstream, everyday_timeouts

TIME_S = 60.0


def info_of(name: str, locality: Locality = Locality.REMOTE) -> ProviderInfo:
    """Return a provider of kind openai called `name`."""
    return ProviderInfo(name=name, kind=ProviderKind.OPENAI, locality=locality)


class Asked(ScriptedUpstream):
    """A candidate whose breakers and limits a test sets.

    Attributes:
        window_tokens: Its context window.
    """

    def __init__(  # noqa: PLR0913  what a candidate may vary, by keyword
        self,
        *,
        name: str = "a",
        first_token_s: float = 10.0,
        min_s: float = 1.0,
        window_tokens: int | None = None,
        locality: Locality = Locality.REMOTE,
        refuses: ProviderError | None = None,
    ) -> None:
        """Be provider `name`; see `Timeouts` for the seconds."""
        super().__init__(
            ScriptedProvider(info=info_of(name, locality)),
            timeouts=everyday_timeouts(first_token_s=first_token_s, cold_s=100.0, min_s=min_s),
        )
        self.window_tokens = window_tokens
        self.refuses = refuses

    def candidate(self) -> Candidate:
        """Return it as the plan does."""
        return Candidate(info=self.info, upstream=self, model="m", window_tokens=self.window_tokens)


@dataclass(slots=True, kw_only=True)
class Walk:
    """A schedule, its clock, the steps that it has handed out, and whom it skipped."""

    schedule: Schedule
    clock: ManualClock
    steps: list[Step] = field(default_factory=list)
    skipped: list[ProviderError] = field(default_factory=list)
    again: Step | None = None

    def step(self) -> Step | None:
        """Take the next step: the same candidate's second attempt, if it has one."""
        step, self.again = self.again, None
        while step is None:
            entry = self.schedule.next()
            if isinstance(entry, ProviderError):
                self.skipped.append(entry)
                continue
            if entry is None:
                return None
            step = entry
        self.steps.append(step)
        return step

    def fail(self, *errors: ProviderError, ran_s: float = 0.0) -> list[str]:
        """Fail each attempt, after `ran_s` seconds, with the next error; return who was asked."""
        asked: list[str] = []
        for error in errors:
            step = self.step()
            if step is None:
                break
            asked.append(step.candidate.info.name)
            self.clock.advance(step.pause_s)
            self.end(step, error, ran_s=ran_s)
        return asked

    def end(self, step: Step, error: ProviderError, *, ran_s: float = 0.0) -> None:
        """Fail one attempt."""
        candidate = step.candidate
        failure = replace(error, provider=candidate.info, model=candidate.model)
        self.again = self.schedule.fail(step, failure, ran_s=ran_s)


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
