"""What callers notice of kept connections to Ollama: nothing, unless it is really gone."""

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_steps import End, end
from tests.fakes.running_service import over_ollama, running_service
from tests.integration.calling import answerer, failure_of, text_of, whole

each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])
RARELY = {"refresh_s": 300}


@each_method
async def test_a_kept_connection_that_died_is_replaced_in_silence(*, unary: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, mock=True), health=RARELY) as service,
    ):
        await whole(service)
        fake.close_on_reuse()

        kind = await answerer(service, unary=unary)

        assert kind == llm_pb2.PROVIDER_KIND_OLLAMA
        assert 3 == len(fake.chats)
        assert [] == service.reporter.attempts


@each_method
async def test_connections_closed_while_idle_are_replaced_in_silence(*, unary: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=RARELY) as service,
    ):
        await whole(service)
        fake.cut_connections()

        text = await (whole(service) if unary else text_of(service))

        assert fake.conversation.answer == text
        assert 2 == len(fake.chats)


@each_method
async def test_a_second_and_a_third_death_are_an_error(*, unary: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=RARELY) as service,
    ):
        await whole(service)
        fake.close_on_reuse()
        fake.will(end(End.CUT), times=2)

        failure = await failure_of(whole(service) if unary else text_of(service))

        assert ("UNAVAILABLE", "PROVIDER_UNREACHABLE") == (failure.code, failure.reason)
        assert 4 == len(fake.chats)
        assert fake.conversation.answer == await whole(service)


@each_method
async def test_a_restart_of_ollama_between_two_calls_goes_unnoticed(*, unary: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=RARELY) as service,
    ):
        await whole(service)
        fake.shut_down()
        await fake.start_listening()

        text = await (whole(service) if unary else text_of(service))

    assert fake.conversation.answer == text


async def test_one_connection_serves_one_call_after_another() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=RARELY) as service,
    ):
        for _ in range(20):
            await whole(service)
            await text_of(service)

        # The first look opens up to three.
        assert len(fake.connections) <= 3


async def test_an_end_of_the_service_closes_its_connections() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        async with running_service(over_ollama(fake), health=RARELY) as service:
            await whole(service)
        await fake.idle()
        await eventually(lambda: not fake.open_connections)
