import asyncio
from collections.abc import Callable

import pytest

from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Phase
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import AllProvidersFailed, Overloaded, ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.routing.targets import Target, Targets
from tests.fakes.assembled import everyday_held
from tests.fakes.chances import NO_PAUSE, STEADY
from tests.fakes.eventually import eventually
from tests.fakes.receipts import a_receipt, tried
from tests.fakes.requests import MAX_ANSWER_BYTES, chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider, Waiting, catalogue_of, done
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.watching import inventory_of
from tests.unit.server.routing.asking import MOCK, Given, answer, ask, mock, ollama, router_over


async def test_the_first_answers_and_the_second_is_not_asked() -> None:
    second = mock()
    given = await answer(await router_over(ollama(Delta("a"), Delta("b"), done()), second))

    assert ("ollama", "phi3:mini") == given.who
    assert (["a", "b"], done()) == (given.pieces, given.done)
    assert [] == second.calls


async def test_a_failure_before_content_moves_to_the_next() -> None:
    first = ollama(SIGN_OF_LIFE, ProviderError(ErrorKind.TRANSIENT))
    given = await answer(await router_over(first, mock(Delta("b"), done())))

    assert ("mock", "mock") == given.who
    assert first.calls[0].closed


async def test_a_failure_after_content_is_an_interruption_and_nobody_else_is_asked() -> None:
    second = mock()
    router = await router_over(
        ollama(Delta("a"), ProviderError(ErrorKind.TRANSIENT, phase="stream")), second
    )
    given = Given()
    with pytest.raises(StreamInterrupted) as broken:
        await ask(router, chat_request(), in_s(60), a_receipt(), given)

    assert ["a"] == given.pieces
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
    given = await answer(router, delivery=Delivery.WHOLE)

    assert ("mock", "mock") == given.who
    assert (["b"], done()) == (given.pieces, given.done)


async def test_an_empty_answer_with_an_end_is_an_answer() -> None:
    given = await answer(await router_over(ollama(done()), mock()))

    assert ("ollama", "phi3:mini") == given.who
    assert ([], done()) == (given.pieces, given.done)


async def test_an_end_without_done_is_a_failure() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        await answer(await router_over(ollama(SIGN_OF_LIFE)))


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
    given = await answer(router, delivery=Delivery.WHOLE)

    assert [whole.text] == given.pieces
    assert 0 == held.bytes


async def test_no_model_and_the_primarys_own_mean_each_ones_default() -> None:
    for model in ("", "phi3:mini", "PHI3:Mini"):
        router = await router_over(
            ollama(ProviderError(ErrorKind.TRANSIENT)), mock(Delta("b"), done())
        )

        assert ("mock", "mock") == (await answer(router, model=model)).who


async def test_another_model_runs_where_it_is_listed_and_nowhere_else() -> None:
    listed, second = ollama(ProviderError(ErrorKind.TRANSIENT)), mock()
    with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
        await answer(await router_over(listed, second), model="llama3.2")

    assert "llama3.2:latest" == listed.calls[0].request.model
    assert [] == second.calls


async def test_the_mock_can_be_asked_for_by_name() -> None:
    first = ollama()

    assert ("mock", "mock") == (await answer(await router_over(first, mock()), model="mock")).who
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
    async with router.stream(chat_request(), in_s(60), a_receipt()):
        assert not first.calls[0].closed

    assert first.calls[0].closed


async def test_a_call_before_the_first_look_waits_for_it() -> None:
    first = ollama(Delta("a"), done())
    first.listing = catalogue_of(["phi3:mini"])
    inventory = inventory_of(ollama=first)
    target = Target(upstream=ScriptedUpstream(first), default_model="phi3:mini")
    router = FailoverRouter(
        Targets(sequence=[target]),
        inventory,
        remote_when_busy=True,
        held=everyday_held(),
        rng=NO_PAUSE,
    )
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(answer(router))
        await asyncio.sleep(0)
        await inventory.refresh("ollama", "ollama")

    assert ("ollama", "phi3:mini") == asked.result().who


async def test_signs_of_life_in_a_whole_answer_count_for_nothing() -> None:
    router = await router_over(ollama(Delta("a"), SIGN_OF_LIFE, Delta("b"), done()))
    given = await answer(router, delivery=Delivery.WHOLE)

    assert ["ab"] == given.pieces


def waits_in(receipt: Receipt, seen: list[object]) -> Callable[[], None]:
    """Return a step that keeps who is tried by then, and what is waited for."""
    return lambda: seen.append(
        (receipt.target, receipt.model, receipt.phase, [one.reason for one in tried(receipt)][:-1])
    )


async def test_a_wait_is_told_with_its_target_and_what_was_tried_before() -> None:
    receipt, seen = a_receipt(), list[object]()
    second = mock(Waiting(Phase.PROVIDER), waits_in(receipt, seen), Delta("b"), done())
    router = await router_over(ollama(ProviderError(ErrorKind.CREDENTIAL)), second)
    given = await answer(router, receipt=receipt)

    assert ("mock", "mock") == given.who
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


async def test_what_was_never_sent_has_no_length() -> None:
    connect = ProviderError(ErrorKind.CONNECT, called=False, requests=1)
    queued = ProviderError(ErrorKind.QUEUE_FULL, called=False)
    receipt, router = a_receipt(), await router_over(ollama(connect), mock(queued))
    with pytest.raises(AllProvidersFailed):
        await answer(router, receipt=receipt)
    told = tried(receipt)

    assert [
        ("ollama", "UNAVAILABLE", "PROVIDER_UNREACHABLE", False),
        ("ollama", "UNAVAILABLE", "PROVIDER_UNREACHABLE", False),
        ("mock", "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", False),
    ] == [(one.provider.name, one.code, one.reason, one.content_sent) for one in told]
    assert [True, True, False] == [one.elapsed_s is not None for one in told]


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
