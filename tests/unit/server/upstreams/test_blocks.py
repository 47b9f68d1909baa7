import math

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.blocks import MAX_BLOCKS, Blocks
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.upstreams import surroundings


class Bench:
    """The blocks of one provider with endpoints "a" and "b"."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reporter = ListeningReporter()
        self.blocks = Blocks("openai", surroundings(self.clock, self.reporter))

    @property
    def told(self) -> list[tuple[str, str]]:
        """Class and state of every change."""
        assert {"openai"} >= {change.name for change in self.reporter.changes}
        return [(change.detail, change.state) for change in self.reporter.changes]

    def note(self, error: ProviderError, endpoint: str = "a", model: str = "m") -> None:
        self.blocks.take_failure(error, endpoint, model)

    def left_s(self, endpoint: str = "a", model: str = "m") -> float | None:
        """Return how long the block lasts; None where there is none, inf where it has no end."""
        refusal = self.blocks.refusal(endpoint, model)
        if refusal is None:
            return None
        assert not refusal.called
        return math.inf if refusal.retry_after_s is None else refusal.retry_after_s

    def blocked(self) -> set[str]:
        """Return which endpoint and model are refused, of all that there are."""
        return {
            endpoint + model
            for endpoint in "ab"
            for model in "mn"
            if self.blocks.refusal(endpoint, model) is not None
        }


@pytest.mark.parametrize(
    ("error", "length_s", "blocked"),
    [
        (ProviderError(ErrorKind.RATE_LIMIT), 2, {"am", "bm"}),
        (ProviderError(ErrorKind.QUOTA), 300, {"am", "an", "bm", "bn"}),
        (ProviderError(ErrorKind.CREDENTIAL), 300, {"am", "an", "bm", "bn"}),
        (ProviderError(ErrorKind.REGION), 3_600, {"am", "an", "bm", "bn"}),
        (ProviderError(ErrorKind.MISCONFIGURED), 60, {"am", "an"}),
        (ProviderError(ErrorKind.MODEL_MISSING), 300, {"am"}),
        (ProviderError(ErrorKind.REMOTE_REFUSED), 300, {"am"}),
        (ProviderError(ErrorKind.VIOLATION), math.inf, {"am"}),
    ],
    ids=lambda value: value.kind.value if isinstance(value, ProviderError) else "",
)
def test_each_class_blocks_its_key_for_its_time(
    error: ProviderError, length_s: float, blocked: set[str]
) -> None:
    bench = Bench()
    bench.note(error)

    assert blocked == bench.blocked()
    assert length_s == bench.left_s()
    assert [(error.kind, "blocked")] == bench.told


def test_who_is_refused_learns_the_class_and_nothing_of_the_call_that_met_it() -> None:
    bench = Bench()
    with pytest.raises(ProviderError, match=ErrorKind.QUOTA) as raised:
        raise ProviderError(ErrorKind.QUOTA, row="P01", status=429)
    bench.note(raised.value)
    one, other = bench.blocks.refusal("a", "m"), bench.blocks.refusal("a", "m")

    assert isinstance(one, ProviderError)
    assert one.kind is ErrorKind.QUOTA
    assert one is not other
    assert ("P01", False, 0) == (one.row, one.called, one.requests)
    kept = next(iter(bench.blocks.known.values())).error
    assert kept.__traceback__ is None


@pytest.mark.parametrize(
    "error", [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.QUOTA, called=False)]
)
def test_what_is_no_fact_about_the_account_blocks_nothing(error: ProviderError) -> None:
    bench = Bench()
    bench.note(error)

    assert set() == bench.blocked()
    assert [] == bench.told


@pytest.mark.parametrize(("told_s", "length_s"), [(0, 0.5), (7, 7), (1e6, 900)])
def test_a_rate_limit_lasts_as_told_within_bounds(told_s: float, length_s: float) -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=told_s))

    assert length_s == bench.left_s()


def after_each(bench: Bench, kind: ErrorKind, times: int) -> list[float | None]:
    """Return the lengths of blocks that follow each other without a success between them."""
    lengths_s = []
    for _ in range(times):
        bench.note(ProviderError(kind))
        length_s = bench.left_s()
        assert length_s is not None
        lengths_s.append(length_s)
        bench.clock.advance(length_s)
    return list(lengths_s)


def test_a_rate_limit_without_advice_doubles_up_to_a_minute() -> None:
    assert [2, 4, 8, 16, 32, 60, 60] == after_each(Bench(), ErrorKind.RATE_LIMIT, 7)


def test_a_success_starts_the_doubling_anew() -> None:
    bench = Bench()
    after_each(bench, ErrorKind.RATE_LIMIT, 3)
    bench.blocks.take_success("b", "m")
    bench.note(ProviderError(ErrorKind.RATE_LIMIT))

    assert 2 == bench.left_s()


def test_a_quota_blocks_longer_the_second_time() -> None:
    assert [300, 900, 900] == after_each(Bench(), ErrorKind.QUOTA, 3)


def test_failures_of_calls_that_were_under_way_do_not_lengthen_a_block() -> None:
    bench = Bench()
    for _ in range(64):
        bench.note(ProviderError(ErrorKind.RATE_LIMIT))
        bench.note(ProviderError(ErrorKind.QUOTA))
    left_s = bench.left_s()
    bench.clock.advance(300)

    assert 300 == left_s
    assert set() == bench.blocked()
    assert 2 == len(bench.told)


def test_it_says_what_is_blocked_and_why() -> None:
    bench = Bench()
    none = repr(bench.blocks)
    bench.note(ProviderError(ErrorKind.QUOTA))
    bench.note(ProviderError(ErrorKind.MISCONFIGURED))

    assert "<Blocks of openai: none>" == none
    assert "<Blocks of openai: all quota, a misconfigured>" == repr(bench.blocks)


def test_a_shorter_wait_told_later_does_not_shorten_a_longer_one() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=30))
    bench.note(ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=1))
    longer = bench.left_s()
    bench.note(ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=40))

    assert (30, 40) == (longer, bench.left_s())


def test_a_violation_outlasts_whatever_follows() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.VIOLATION))
    bench.note(ProviderError(ErrorKind.MODEL_MISSING))
    bench.blocks.take_success("a", "m")
    bench.clock.advance(1e9)

    assert math.inf == bench.left_s()


def test_a_success_of_a_call_that_was_under_way_frees_nothing() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=10))
    bench.blocks.take_success("a", "m")

    assert 10 == bench.left_s()


def test_the_end_admits_one_and_a_success_frees_the_others() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.CREDENTIAL))
    bench.clock.advance(300)
    free = bench.left_s()
    probe = bench.blocks.admit("a", "m")
    held = bench.blocked()
    bench.blocks.take_success("b", "n")

    assert free is None
    assert probe is not None
    assert {"am", "an", "bm", "bn"} == held
    assert set() == bench.blocked()
    assert [(ErrorKind.CREDENTIAL, "blocked"), (ErrorKind.CREDENTIAL, "free")] == bench.told
    probe.release()
    assert bench.blocks.admit("a", "m") is None


def test_a_probe_without_a_verdict_lets_the_next_one_try() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.CREDENTIAL))
    bench.clock.advance(300)
    first = bench.blocks.admit("a", "m")
    assert first is not None
    first.release()

    assert set() == bench.blocked()
    assert bench.blocks.admit("a", "m") is not None


def test_a_probe_that_fails_blocks_again_without_further_news() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.QUOTA))
    bench.clock.advance(300)
    probe = bench.blocks.admit("a", "m")
    assert probe is not None
    bench.note(ProviderError(ErrorKind.QUOTA))
    probe.release()

    assert 900 == bench.left_s()
    assert [(ErrorKind.QUOTA, "blocked")] == bench.told


def test_a_rate_limit_that_is_over_holds_nobody_back() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.RATE_LIMIT))
    bench.clock.advance(2)

    assert bench.blocks.admit("a", "m") is None
    assert set() == bench.blocked()


def test_another_class_takes_the_place_of_one_that_ends_sooner() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.CREDENTIAL))
    bench.note(ProviderError(ErrorKind.REGION))
    refusal = bench.blocks.refusal("a", "m")

    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.REGION


@pytest.mark.parametrize(
    ("error", "stops", "elsewhere"),
    [
        (ProviderError(ErrorKind.QUOTA), True, True),
        (ProviderError(ErrorKind.MISCONFIGURED), True, False),
        (ProviderError(ErrorKind.RATE_LIMIT), False, False),
        (ProviderError(ErrorKind.MODEL_MISSING), False, False),
    ],
    ids=["quota", "misconfigured", "rate limit", "missing"],
)
def test_what_stops_an_endpoint_from_serving(
    error: ProviderError, *, stops: bool, elsewhere: bool
) -> None:
    bench = Bench()
    bench.note(error)

    assert (stops, elsewhere) == (bench.blocks.stops_serving("a"), bench.blocks.stops_serving("b"))
    bench.clock.advance(3_600)
    assert not bench.blocks.stops_serving("a")


def test_names_from_callers_push_out_each_other_and_nothing_else() -> None:
    bench = Bench()
    bench.note(ProviderError(ErrorKind.CREDENTIAL))
    bench.note(ProviderError(ErrorKind.VIOLATION), model="stolen")
    for number in range(2 * MAX_BLOCKS):
        bench.clock.advance(0.001)
        bench.note(ProviderError(ErrorKind.MODEL_MISSING), model=f"model-{number}")

    assert len(bench.blocks.known) <= MAX_BLOCKS
    assert ErrorKind.CREDENTIAL.value == str(bench.blocks.refusal("b", "x"))
    bench.clock.advance(3_600)
    assert ErrorKind.VIOLATION.value == str(bench.blocks.refusal("a", "stolen"))
