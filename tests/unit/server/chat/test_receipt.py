from llmsvc_server.chat.events import Phase
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import (
    Attempt,
    Locality,
    Privacy,
    ProviderInfo,
    ProviderKind,
    Route,
    Trail,
)
from tests.fakes.manual_clock import ManualClock

OLLAMA = ProviderInfo(name="ollama", kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
CLOUD = ProviderInfo(name="cloud", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)


def outcome(provider: ProviderInfo, code: str, reason: str, elapsed_s: float | None) -> Attempt:
    """Return an attempt that took so long, or that was none."""
    return Attempt(
        provider=provider,
        model="m",
        code=code,
        reason=reason,
        elapsed_s=elapsed_s,
        content_sent=elapsed_s is not None,
    )


FAILED = outcome(OLLAMA, "UNAVAILABLE", "PROVIDER_ERROR", 1.0)


def trail_of(*attempts: Attempt) -> Trail:
    return Trail(requested_model="secret", privacy=Privacy.CLOUD_ALLOWED, attempts=attempts)


class Bench:
    """A receipt, and its clock."""

    def __init__(self, *attempts: Attempt) -> None:
        self.clock = ManualClock()
        self.receipt = Receipt(self.clock)
        self.receipt.open("secret", Privacy.CLOUD_ALLOWED)
        for one in attempts:
            self.receipt.add(one)


def test_where_no_target_was_considered_there_is_nothing_to_tell() -> None:
    receipt = Bench().receipt
    nothing = (receipt.trail("CANCELLED", ""), receipt.tried, receipt.route)
    receipt.begin(OLLAMA, "m")  # and has not said what it waits for

    assert (None, 0, None) == nothing
    assert (None, 0) == (receipt.trail("CANCELLED", ""), receipt.tried)


def test_what_failed_and_who_was_skipped_are_told_in_their_order() -> None:
    skipped = outcome(CLOUD, "UNAVAILABLE", "BREAKER_OPEN", None)
    receipt = Bench(FAILED, skipped).receipt

    assert trail_of(FAILED, skipped) == receipt.trail("UNAVAILABLE", "ALL_TARGETS_FAILED")
    assert 2 == receipt.tried


def test_who_was_asked_ends_as_the_call_does() -> None:
    bench = Bench(FAILED)
    bench.receipt.begin(CLOUD, "m")
    bench.receipt.wait(Phase.PROVIDER)
    bench.clock.advance(2)
    last = outcome(CLOUD, "DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED", 2)

    assert trail_of(FAILED, last) == bench.receipt.trail(last.code, last.reason)
    assert 2 == bench.receipt.tried


def test_an_attempt_is_timed_as_a_whole_and_without_its_waits() -> None:
    bench = Bench(FAILED)
    bench.receipt.begin(CLOUD, "m")
    bench.clock.advance(3)
    before = (bench.receipt.elapsed_s, bench.receipt.ran_s)
    bench.receipt.wait(Phase.QUEUED)
    bench.receipt.wait(Phase.PROVIDER)
    bench.clock.advance(2)

    assert (3.0, 3.0) == before
    assert (5.0, 2.0) == (bench.receipt.elapsed_s, bench.receipt.ran_s)


def test_who_was_only_waited_for_was_sent_nothing() -> None:
    bench = Bench()
    bench.receipt.begin(CLOUD, "m", Phase.QUEUED)
    bench.clock.advance(2)

    assert trail_of(outcome(CLOUD, "CANCELLED", "", None)) == bench.receipt.trail("CANCELLED", "")


def test_an_attempt_counts_from_its_own_beginning() -> None:
    bench = Bench()
    bench.receipt.begin(CLOUD, "m", Phase.QUEUED)
    bench.clock.advance(2)
    bench.receipt.begin(CLOUD, "m")
    bench.receipt.wait(Phase.PROVIDER)
    bench.clock.advance(3)

    assert trail_of(outcome(CLOUD, "CANCELLED", "", 3)) == bench.receipt.trail("CANCELLED", "")


def test_the_answer_is_the_last_of_what_was_tried() -> None:
    bench = Bench(FAILED)
    bench.receipt.begin(CLOUD, "m")
    bench.receipt.wait(Phase.PROVIDER)
    bench.clock.advance(2)
    first_s = bench.receipt.hear()
    heard_s = bench.clock()
    bench.clock.advance(3)
    route = bench.receipt.commit()
    expected = trail_of(FAILED, outcome(CLOUD, "OK", "", 5))

    assert Route(provider=CLOUD, model="m", trail=expected) == route
    assert 2.0 == first_s
    assert (route, heard_s, 2) == (
        bench.receipt.route,
        bench.receipt.content_at_s,
        bench.receipt.tried,
    )
    assert (None, None) == (bench.receipt.target, bench.receipt.phase)


def test_an_answer_that_breaks_off_is_no_success_and_who_gave_it_is_known() -> None:
    bench = Bench(FAILED)
    bench.receipt.begin(CLOUD, "m")
    route = bench.receipt.commit()
    broken = trail_of(FAILED, outcome(CLOUD, "ABORTED", "STREAM_INTERRUPTED", 0))

    assert broken == bench.receipt.trail("ABORTED", "STREAM_INTERRUPTED")
    assert route is bench.receipt.route
    assert "OK" == route.trail.attempts[-1].code


def test_what_a_failed_attempt_had_begun_to_say_is_no_content() -> None:
    bench = Bench()
    bench.receipt.begin(OLLAMA, "m")
    bench.receipt.hear()
    bench.receipt.add(FAILED)
    bench.receipt.begin(CLOUD, "m")
    bench.receipt.commit()

    assert bench.receipt.content_at_s is None


def test_it_says_who_did_what_and_nothing_that_the_caller_wrote() -> None:
    bench = Bench()
    said = [repr(bench.receipt)]
    bench.receipt.add(FAILED)
    bench.receipt.begin(CLOUD, "m")
    said.append(repr(bench.receipt))
    bench.receipt.wait(Phase.LOADING)
    said.append(repr(bench.receipt))
    bench.receipt.commit()
    said.append(repr(bench.receipt))

    assert [
        "<Receipt: nothing tried>",
        "<Receipt: ollama PROVIDER_ERROR, cloud asked>",
        "<Receipt: ollama PROVIDER_ERROR, cloud loading>",
        "<Receipt: ollama PROVIDER_ERROR, cloud OK>",
    ] == said
