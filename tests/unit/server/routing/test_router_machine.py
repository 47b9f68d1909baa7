"""Whatever upstreams do, a call keeps these promises (docs/invariants.md 2 to 5, 16 to 18)."""

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits, Deadline
from llmsvc_server.chat.events import AnswerEvents, Delta, Phase
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Attempt, Locality, ProviderInfo
from llmsvc_server.errors import AllProvidersFailed, LlmsvcError, ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.routing.targets import Target, Targets
from llmsvc_server.upstreams.latency import Timeouts
from llmsvc_server.upstreams.upstream import Upstream
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.assembled import everyday_held
from tests.fakes.receipts import a_receipt, tried
from tests.fakes.requests import chat_request
from tests.fakes.scripted_provider import done
from tests.fakes.scripted_upstream import everyday_timeouts
from tests.fakes.virtual_time import run_virtually
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.asking import Given, ask
from tests.unit.server.routing.candidates import info_of

MOST_REQUESTS = 4
ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one attempt meets: silence for `takes_s`, so many pieces, then a failure or the end."""

    takes_s: float
    pieces: int
    fails: Callable[[], ProviderError] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One attempt that was made, who by, when, and how it ended; None after success."""

    name: str
    began_s: float
    ended_s: float
    error: ProviderError | None


async def passed(length_s: float) -> None:
    """Return after `length_s` seconds of the loop's own, jumping time."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(length_s, over.set)
    await over.wait()


@dataclass
class Behaving(Upstream):
    """A provider that behaves as it is told, attempt by attempt."""

    info: ProviderInfo
    behaviours: list[Behaviour]
    made: list[Made]
    timeouts: Timeouts = field(default_factory=partial(everyday_timeouts, first_token_s=10))
    owed: Verdicts | None = None

    @override
    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Refuse nothing."""
        return None

    @override
    def count(self, verdicts: Verdicts) -> None:
        """See that the call leaves with what it was given; a second time it may say so again."""
        assert self.owed is None or verdicts is self.owed
        self.owed = None

    @override
    async def run(
        self, request: ChatRequest, limits: AttemptLimits, receipt: Receipt, verdicts: Verdicts
    ) -> AnswerEvents:
        """Do the next thing."""
        assert self.owed is None or self.owed is verdicts
        self.owed = verdicts
        assert request.model == f"model-of-{self.info.name}"
        behaviour = self.behaviours.pop(0)
        now_s = asyncio.get_running_loop().time
        began_s = now_s()
        error = behaviour.fails() if behaviour.fails else None
        receipt.wait(Phase.PROVIDER)
        if behaviour.takes_s > limits.first_token_by.remaining_s():
            error = ProviderError(ErrorKind.SILENT, phase="first_token")
            await passed(limits.first_token_by.remaining_s())
        else:
            await passed(behaviour.takes_s)
            sent = error is None or error.called
            for _ in range(behaviour.pieces if sent else 0):
                yield Delta(self.info.name)
        self.made.append(Made(name=self.info.name, began_s=began_s, ended_s=now_s(), error=error))
        if error is not None:
            raise error
        yield done()


@dataclass(slots=True)
class Outcome:
    """All that came of one call."""

    receipt: Receipt
    given: Given = field(default_factory=Given)
    error: LlmsvcError | None = None
    timed_out: bool = False

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was tried, as the caller is told."""
        route = self.given.route
        return tried(self.receipt) if route is None else route.trail.attempts


def _limited(told_s: float | None) -> Callable[[], ProviderError]:
    return lambda: ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=told_s)


def _refused() -> ProviderError:
    return ProviderError(ErrorKind.CONNECT, called=False, requests=1)


FAILURES = st.one_of(
    st.sampled_from(
        [
            _refused,
            lambda: ProviderError(ErrorKind.QUEUE_FULL, called=False),
            *(
                partial(ProviderError, kind)
                for kind in (
                    ErrorKind.TRANSIENT,
                    ErrorKind.CONNECT,
                    ErrorKind.SILENT,
                    ErrorKind.CREDENTIAL,
                    ErrorKind.CALLER,
                    ErrorKind.CONTENT,
                    ErrorKind.CONTEXT,
                    ErrorKind.MODEL_OUTPUT,
                    ErrorKind.VIOLATION,
                )
            ),
        ]
    ),
    st.builds(_limited, st.none() | st.floats(0, 15)),
    st.builds(
        lambda told_s: lambda: ProviderError(ErrorKind.TRANSIENT, retry_after_s=told_s),
        st.floats(0, 15),
    ),
)
BEHAVIOURS = st.builds(
    Behaviour,
    takes_s=st.sampled_from([0.0, 0.01, 1.0, 2.5, 20.0]),
    pieces=st.integers(0, 2),
    fails=st.none() | FAILURES,
)
FAILING = st.builds(
    Behaviour, takes_s=st.sampled_from([0.0, 0.5, 3.0]), pieces=st.just(0), fails=FAILURES
)


async def called(
    upstreams: list[Behaving], delivery: Delivery, time_s: float, seed: int
) -> Outcome:
    """Return what comes of one call over `upstreams`, in their order."""
    clock = asyncio.get_running_loop().time
    targets = [
        Target(
            upstream=upstream,
            default_model=f"model-of-{upstream.info.name}",
            is_listed=False,
            window_tokens=100 if upstream.info.name == "b" else None,
        )
        for upstream in upstreams
    ]
    router = FailoverRouter(
        Targets(sequence=targets),
        inventory_over({}),
        remote_when_busy=bool(seed % 2),
        held=everyday_held(),
        rng=random.Random(seed),  # noqa: S311  seeded, so that a failure can be repeated
    )
    outcome = Outcome(receipt=a_receipt())
    finish_by = Deadline(at_s=clock() + time_s, clock=clock)
    request = chat_request(delivery=delivery)
    try:
        async with asyncio.timeout_at(finish_by.at_s):
            await ask(router, request, finish_by, outcome.receipt, outcome.given)
    except TimeoutError:
        outcome.timed_out = True
    except LlmsvcError as error:
        outcome.error = error
    return outcome


@settings(max_examples=250, deadline=None)  # a busy machine is no failure
@given(
    scripts=st.lists(
        st.lists(FAILING | BEHAVIOURS, min_size=2, max_size=2), min_size=1, max_size=5
    ),
    localities=st.lists(st.sampled_from(Locality), min_size=5, max_size=5),
    delivery=st.sampled_from(Delivery),
    time_s=st.sampled_from([0.3, 0.6, 3.0, 30.0, 300.0]),
    seed=st.integers(0, 9),
)
def test_every_call_keeps_its_promises(
    scripts: list[list[Behaviour]],
    localities: list[Locality],
    delivery: Delivery,
    time_s: float,
    seed: int,
) -> None:
    made: list[Made] = []
    upstreams = [
        Behaving(info_of(name, locality), list(script), made)
        for name, locality, script in zip("abcde", localities, scripts, strict=False)
    ]
    outcome = run_virtually(called(upstreams, delivery, time_s, seed))

    _has_one_end(outcome, upstreams)
    _is_of_one_attempt(outcome, made, delivery)
    _stays_in_its_bounds(made, time_s)
    _tells_what_was_tried(outcome, made)


def _has_one_end(outcome: Outcome, upstreams: list[Behaving]) -> None:
    ways = [outcome.given.done is not None, outcome.error is not None, outcome.timed_out]

    assert 1 == sum(ways)
    assert all(one.owed is None for one in upstreams)


def _is_of_one_attempt(outcome: Outcome, made: list[Made], delivery: Delivery) -> None:
    if outcome.given.route is None:
        assert not isinstance(outcome.error, StreamInterrupted)
        return
    answers, _ = outcome.given.who
    assert set("".join(outcome.given.pieces)) <= {answers}
    if made and not outcome.timed_out:
        assert answers == made[-1].name
    if outcome.error is not None:
        assert isinstance(outcome.error, StreamInterrupted)
        assert delivery is Delivery.STREAM


def _stays_in_its_bounds(made: list[Made], time_s: float) -> None:
    requests = sum(1 if one.error is None else one.error.requests for one in made)
    names = [one.name for one in made]

    assert requests <= MOST_REQUESTS
    assert max((names.count(name) for name in names), default=0) <= 2
    assert names == sorted(names)
    assert all(one.began_s < time_s for one in made)
    for before, after in itertools.pairwise(made):
        waited_s = after.began_s - before.ended_s
        assert waited_s <= (time_s - before.ended_s) / 2 + ROUNDING_S
        told_s = before.error.retry_after_s if before.error else None
        if before.name == after.name and told_s is not None:
            assert waited_s >= told_s - ROUNDING_S


def _tells_what_was_tried(outcome: Outcome, made: list[Made]) -> None:
    if outcome.timed_out:
        return
    error = outcome.error
    made_there = [attempt for attempt in outcome.attempts if attempt.elapsed_s is not None]
    requested = [one for one in made if one.error is None or one.error.requests]
    assert [one.name for one in requested] == [one.provider.name for one in made_there]
    assert [one.provider.name for one in outcome.attempts] == sorted(
        one.provider.name for one in outcome.attempts
    )
    answered = error is None or isinstance(error, StreamInterrupted)
    assert answered == (outcome.attempts[-1].code == "OK")
    first = made[0].error if made else None
    if first is not None and first.kind in {ErrorKind.CALLER, ErrorKind.CONTENT}:
        assert 1 == len(made)
    if isinstance(error, AllProvidersFailed):
        assert len({attempt.provider for attempt in outcome.attempts}) > 1
