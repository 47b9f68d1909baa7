import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvent, Delta, Phase, Started, Waiting
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import AllProvidersFailed, Overloaded, ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.routing.plan import Target, Targets
from llmsvc_server.routing.router import FailoverRouter
from tests.fakes.assembled import everyday_held, everyday_patience
from tests.fakes.chances import NO_PAUSE, STEADY
from tests.fakes.eventually import eventually
from tests.fakes.receipts import a_receipt, tried
from tests.fakes.requests import MAX_ANSWER_BYTES, chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of, done
from tests.fakes.watching import inventory_of, inventory_over

MOCK = ProviderInfo(name="mock", kind=ProviderKind.MOCK, locality=Locality.LOCAL)


async def router_over(
    *providers: ScriptedProvider,
    rng: random.Random = NO_PAUSE,
    held: HeldAnswers | None = None,
) -> FailoverRouter:
    """Route over providers whose default models are "phi3:mini" and "mock"."""
    inventory = inventory_over({one.info.name: one for one in providers})
    for one in providers:
        await inventory.refresh(one.info.name, one.info.name)
    defaults = {"ollama": "phi3:mini", "mock": "mock"}
    targets = [
        Target(provider=one, default_model=defaults[one.info.name], patience=everyday_patience())
        for one in providers
    ]
    return FailoverRouter(
        Targets(sequence=targets),
        inventory,
        remote_when_busy=True,
        held=held or everyday_held(),
        rng=rng,
    )


def ollama(*steps: object) -> ScriptedProvider:
    return ScriptedProvider(*steps, models=["phi3:mini", "llama3.2:latest"])  # type: ignore[arg-type]


def mock(*steps: object) -> ScriptedProvider:
    return ScriptedProvider(*steps, info=MOCK, models=["mock"])  # type: ignore[arg-type]


async def answer(
    router: FailoverRouter,
    *,
    model: str = "",
    delivery: Delivery = Delivery.STREAM,
    receipt: Receipt | None = None,
) -> list[ChatEvent]:
    request = chat_request(model=model, delivery=delivery)
    stream = router.stream_chat(request, in_s(60), receipt or a_receipt())
    async with aclosing(stream) as events:
        return [event async for event in events]


def who(events: list[ChatEvent]) -> tuple[str, str]:
    """Return the provider and the model that the stream says answers."""
    started = events[0]
    assert isinstance(started, Started)
    return started.route.provider.name, started.route.model


async def test_the_first_answers_and_the_second_is_not_asked() -> None:
    second = mock()
    events = await answer(await router_over(ollama(Delta("a"), Delta("b"), done()), second))

    assert ("ollama", "phi3:mini") == who(events)
    assert [Delta("a"), Delta("b"), done()] == events[1:]
    assert [] == second.calls


async def test_a_failure_before_content_moves_to_the_next() -> None:
    first = ollama(Delta(""), ProviderError(ErrorKind.TRANSIENT))
    events = await answer(await router_over(first, mock(Delta("b"), done())))

    assert ("mock", "mock") == who(events)
    assert first.calls[0].closed


async def test_a_failure_after_content_is_an_interruption_and_nobody_else_is_asked() -> None:
    second = mock()
    router = await router_over(
        ollama(Delta("a"), ProviderError(ErrorKind.TRANSIENT, phase="stream")), second
    )
    async with aclosing(router.stream_chat(chat_request(), in_s(60), a_receipt())) as events:
        started, first = await anext(events), await anext(events)
        with pytest.raises(StreamInterrupted) as broken:
            await anext(events)

    assert isinstance(started, Started)
    assert Delta("a") == first
    assert (InterruptCause.PROVIDER, "stream") == (broken.value.cause, broken.value.phase)
    assert [] == second.calls


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (ErrorKind.EXHAUSTED, InterruptCause.OVERLOAD),
        (ErrorKind.VIOLATION, InterruptCause.PRIVACY),
    ],
)
async def test_what_is_no_fault_of_the_provider_after_content_says_so(
    kind: ErrorKind, cause: InterruptCause
) -> None:
    router = await router_over(ollama(Delta("a"), ProviderError(kind)), mock())
    with pytest.raises(StreamInterrupted) as broken:
        _ = await answer(router)

    assert cause is broken.value.cause


async def test_a_whole_answer_may_move_on_to_its_very_end() -> None:
    router = await router_over(
        ollama(Delta("a"), ProviderError(ErrorKind.TRANSIENT)), mock(Delta("b"), done())
    )
    events = await answer(router, delivery=Delivery.WHOLE)

    assert ("mock", "mock") == who(events)
    assert [Delta("b"), done()] == events[1:]


async def test_an_empty_answer_with_an_end_is_an_answer() -> None:
    events = await answer(await router_over(ollama(done()), mock()))

    assert ("ollama", "phi3:mini") == who(events)
    assert [done()] == events[1:]


async def test_an_end_without_done_is_a_failure() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        await answer(await router_over(ollama(Delta(""))))


async def test_a_whole_answer_without_end_in_sight_is_cut_off() -> None:
    half = Delta("é" * (MAX_ANSWER_BYTES // 4 + 1))
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        await answer(await router_over(ollama(half, half, done())), delivery=Delivery.WHOLE)


async def test_an_answer_for_which_there_is_no_room_is_refused_and_leaves_none() -> None:
    held = everyday_held(100)
    held.add("other", 60)
    piece = Delta("x" * 30)
    provider = ollama(piece, piece, done())
    with pytest.raises(Overloaded):
        await answer(await router_over(provider, held=held), delivery=Delivery.WHOLE)

    assert provider.calls[0].left
    assert 60 == held.bytes


async def test_an_attempt_that_failed_holds_nothing_of_the_next_ones_room() -> None:
    held = everyday_held(100)
    whole = Delta("x" * 90)
    router = await router_over(
        ollama(whole, ProviderError(ErrorKind.TRANSIENT)), mock(whole, done()), held=held
    )
    events = await answer(router, delivery=Delivery.WHOLE)

    assert whole in events
    assert 0 == held.bytes


async def test_no_model_and_the_primarys_own_mean_each_ones_default() -> None:
    for model in ("", "phi3:mini", "PHI3:Mini"):
        router = await router_over(
            ollama(ProviderError(ErrorKind.TRANSIENT)), mock(Delta("b"), done())
        )

        assert ("mock", "mock") == who(await answer(router, model=model))


async def test_another_model_runs_where_it_is_listed_and_nowhere_else() -> None:
    listed, second = ollama(ProviderError(ErrorKind.TRANSIENT)), mock()
    with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
        await answer(await router_over(listed, second), model="llama3.2")

    assert "llama3.2:latest" == listed.calls[0].request.model
    assert [] == second.calls


async def test_the_mock_can_be_asked_for_by_name() -> None:
    first = ollama()

    assert ("mock", "mock") == who(await answer(await router_over(first, mock()), model="mock"))
    assert [] == first.calls


async def test_nobodys_typo_is_answered_by_something_else() -> None:
    first, second = ollama(), mock()
    with pytest.raises(ProviderError, match=ErrorKind.MODEL_MISSING) as missing:
        await answer(await router_over(first, second), model="phi4")

    assert "" == missing.value.pull_hint
    assert [] == first.calls + second.calls


async def test_a_configured_model_that_is_missing_can_be_pulled() -> None:
    router = await router_over(ScriptedProvider(models=["other"]))
    with pytest.raises(ProviderError, match=ErrorKind.MODEL_MISSING) as missing:
        await answer(router)

    assert "phi3:mini" == missing.value.pull_hint


async def test_a_provider_never_seen_is_not_asked() -> None:
    unseen = ollama()
    unseen.listing = ProviderError(ErrorKind.CONNECT)
    with pytest.raises(ProviderError, match=ErrorKind.CONNECT) as unreachable:
        await answer(await router_over(unseen))

    assert not unreachable.value.called
    assert [] == unseen.calls


async def test_a_model_that_its_provider_denies_is_forgotten_until_the_next_look() -> None:
    denied = ProviderError(ErrorKind.MODEL_MISSING, row="O04", endpoint="ollama")
    first = ollama(denied)
    router = await router_over(first)
    for _ in range(3):
        with pytest.raises(ProviderError, match=ErrorKind.MODEL_MISSING) as missing:
            await answer(router)

        assert "phi3:mini" == missing.value.pull_hint
    assert 2 == len(first.calls)  # the first call's: another endpoint might have had it


async def test_all_failed_names_the_failure_that_decides() -> None:
    router = await router_over(
        ollama(ProviderError(ErrorKind.TRANSIENT)), mock(ProviderError(ErrorKind.CONNECT))
    )
    with pytest.raises(AllProvidersFailed) as failed:
        await answer(router)

    deciding = failed.value.deciding
    assert deciding.kind is ErrorKind.TRANSIENT
    assert deciding.provider is not None
    assert ("ollama", "phi3:mini") == (deciding.provider.name, deciding.model)


async def test_leaving_early_closes_the_provider_before_it_returns() -> None:
    first = ollama(Delta("a"), Delta("b"), done())
    router = await router_over(first)
    async with aclosing(router.stream_chat(chat_request(), in_s(60), a_receipt())) as events:
        await anext(events)

    assert first.calls[0].closed


async def test_a_call_before_the_first_look_waits_for_it() -> None:
    first = ollama(Delta("a"), done())
    first.listing = catalogue_of(["phi3:mini"])
    inventory = inventory_of(ollama=first)
    target = Target(provider=first, default_model="phi3:mini", patience=everyday_patience())
    router = FailoverRouter(
        Targets(sequence=[target]),
        inventory,
        remote_when_busy=True,
        held=everyday_held(),
        rng=NO_PAUSE,
    )
    async with aclosing(router.stream_chat(chat_request(), in_s(60), a_receipt())) as events:
        asked = anext(events)
        await inventory.refresh("ollama", "ollama")

        assert isinstance(await asked, Started)


async def test_signs_of_life_in_a_whole_answer_count_for_nothing() -> None:
    router = await router_over(ollama(Delta("a"), Delta(""), Delta("b"), done()))
    events = await answer(router, delivery=Delivery.WHOLE)

    assert "ab" == "".join(event.text for event in events if isinstance(event, Delta))


def waits_in(receipt: Receipt, seen: list[object]) -> Callable[[], None]:
    """Return a step that keeps who is tried by then, and what is waited for."""
    return lambda: seen.append(
        (receipt.target, receipt.model, receipt.phase, [one.reason for one in tried(receipt)][:-1])
    )


async def test_a_wait_is_told_with_its_target_and_what_was_tried_before() -> None:
    receipt, seen = a_receipt(), list[object]()
    second = mock(Waiting(Phase.PROVIDER), waits_in(receipt, seen), Delta("b"), done())
    router = await router_over(ollama(ProviderError(ErrorKind.CREDENTIAL)), second)
    events = await answer(router, receipt=receipt)

    assert ("mock", "mock") == who(events)
    assert [(MOCK, "mock", Phase.PROVIDER, ["PROVIDER_CREDENTIALS_REJECTED"])] == seen


async def test_a_pause_before_a_retry_is_a_wait_in_which_nothing_was_sent() -> None:
    receipt = a_receipt()
    router = await router_over(ollama(ProviderError(ErrorKind.TRANSIENT)), rng=STEADY)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(answer(router, receipt=receipt))
        await eventually(lambda: receipt.phase is not None)
        phase, attempts = receipt.phase, tried(receipt)
        leaving.cancel()

    assert Phase.QUEUED is phase
    assert [True, False] == [one.content_sent for one in attempts]


async def test_who_leaves_in_a_pause_makes_no_further_request() -> None:
    receipt, first = a_receipt(), ollama(ProviderError(ErrorKind.TRANSIENT))
    router = await router_over(first, rng=STEADY)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(answer(router, receipt=receipt))
        await eventually(lambda: receipt.phase is Phase.QUEUED)
        leaving.cancel()

    assert 1 == sum(call.begun for call in first.calls)


async def test_a_wait_in_mid_answer_is_no_part_of_it() -> None:
    receipt = a_receipt()
    router = await router_over(ollama(Delta("a"), Waiting(Phase.PROVIDER), Delta("b"), done()))
    await answer(router, receipt=receipt)

    assert (None, 1) == (receipt.phase, receipt.tried)


async def test_what_was_never_sent_has_no_length() -> None:
    # It ran for so long that it is not repeated.
    connect = ProviderError(ErrorKind.CONNECT, called=False, requests=1, elapsed_s=0.2, ran_s=2.5)
    queued = ProviderError(ErrorKind.QUEUE_FULL, called=False, elapsed_s=9.0)
    receipt, router = a_receipt(), await router_over(ollama(connect), mock(queued))
    with pytest.raises(AllProvidersFailed):
        await answer(router, receipt=receipt)

    assert [
        ("ollama", "UNAVAILABLE", "PROVIDER_UNREACHABLE", 0.2, False),
        ("mock", "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", None, False),
    ] == [
        (one.provider.name, one.code, one.reason, one.elapsed_s, one.content_sent)
        for one in tried(receipt)
    ]


@pytest.mark.parametrize("delivery", Delivery)
async def test_the_first_content_has_a_time_although_the_whole_comes_later(
    delivery: Delivery,
) -> None:
    receipt, before_s = a_receipt(), asyncio.get_running_loop().time()
    await answer(await router_over(ollama()), delivery=delivery, receipt=receipt)

    assert receipt.content_at_s is not None
    assert before_s <= receipt.content_at_s <= asyncio.get_running_loop().time()


@pytest.mark.parametrize("delivery", Delivery)
async def test_an_empty_answer_has_no_first_content(delivery: Delivery) -> None:
    receipt = a_receipt()
    await answer(await router_over(ollama(done())), delivery=delivery, receipt=receipt)

    assert (None, True) == (receipt.content_at_s, receipt.route is not None)


class Kept:
    """A verdict that remembers whether it counts."""

    def __init__(self) -> None:
        self.counted = 0

    def count(self) -> None:
        self.counted += 1

    def withdraw(self) -> None:
        raise AssertionError("nobody asked again")


@pytest.mark.parametrize("steps", [(), (Delta("a"),)])
async def test_a_verdict_counts_once_the_call_is_over(steps: tuple[Delta, ...]) -> None:
    kept = Kept()
    broken = ProviderError(ErrorKind.TRANSIENT, ran_s=5, verdict=kept)  # too slow for a retry
    router = await router_over(ollama(*steps, broken))
    with pytest.raises((ProviderError, StreamInterrupted)):
        await answer(router)

    assert 1 == kept.counted
