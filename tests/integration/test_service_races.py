"""What changes while a call is under way: what a model is, who is healed, whose time is up."""

import asyncio

import pytest
from typing_extensions import override

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import MAX_ANSWER_BYTES, chat_message
from tests.fakes.running_service import RunningService, running_service
from tests.integration.calling import failure_of, said
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import FALLBACK_TEXT, Stage, Way, settings, staged
from tests.scenarios.steps import Begin, End, Frame, Marker, Say, Silence

OFTEN = {"refresh_s": 0.1}


class Shifting(FaultServer):
    """An Ollama whose model may turn out to run elsewhere, and tells when it is unloaded."""

    is_remote = False

    @override
    def _page(self, path: str) -> object:
        entry = {"name": self.model, "model": self.model, "digest": "d1"}
        elsewhere = {"remote_host": "https://example.org"} if self.is_remote else {}
        match path:
            case "/api/tags":
                return {"models": [{**entry, **elsewhere}]}
            case "/api/ps":
                seen = {**entry, "expires_at": "2026-01-01T00:00:00Z"}
                return {"models": [seen] if self.in_memory and not self.is_remote else []}
            case _:
                return super()._page(path)


def local_only() -> llm_pb2.ChatRequest:
    message = chat_message("for nobody outside")
    message.routing_policy.privacy_mode = llm_pb2.PRIVACY_MODE_LOCAL_ONLY
    return message


def over(server: FaultServer, **entry: object) -> dict[str, object]:
    return settings({"ollama": server}, privacy=None, ollama=entry)


async def knows_remote(service: RunningService, model: str) -> None:
    inventory = service.app.providers.inventory
    await eventually(lambda: inventory.runs_remotely("ollama", model))


async def test_a_model_that_moves_away_while_a_call_waits_gets_no_prompt() -> None:
    async with (
        Shifting(Protocol.OLLAMA) as server,
        running_service(over(server, allow_remote_models=True), health=OFTEN) as service,
    ):
        gate = Gate()
        server.will([Begin(), gate, Say("local"), Marker(), End()])
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_text(service, local_only()))
            await gate.reached()
            second = group.create_task(failure_of(service.stub.Chat(local_only())))
            server.is_remote = True
            await knows_remote(service, server.model)
            gate.open()
        told: Told = second.result()

        assert "local" == first.result()
        assert ("FAILED_PRECONDITION", "ROUTE_FORBIDDEN") == (told.code, told.reason)
        assert 1 == len(server.chats)


async def _text(service: RunningService, message: llm_pb2.ChatRequest) -> str:
    return said(await service.stub.Chat(message))


async def test_a_remote_model_that_may_be_asked_needs_no_load() -> None:
    async with Shifting(Protocol.OLLAMA) as server:
        server.is_remote = True
        async with running_service(over(server, allow_remote_models=True)) as service:
            response = await service.stub.Chat(chat_message())

        assert "from the primary" == said(response)
        assert llm_pb2.LOCALITY_REMOTE == response.route.locality
        assert 0 == server.loads


async def test_a_call_that_asks_whether_its_model_is_loaded_survives_its_healing() -> None:
    async with (
        Shifting(Protocol.OLLAMA) as wedged,
        FaultServer(Protocol.OPENAI, says=FALLBACK_TEXT) as fallback,
        running_service(
            settings(
                {"primary": wedged, "fallback": fallback},
                privacy=None,
                primary={"first_token_timeout_s": 0.6, "max_in_flight_per_model": 8},
            ),
            health=OFTEN,
        ) as service,
    ):
        stage = Stage(primary=wedged, fallback=fallback, service=service, clock=ManualClock())
        await stage.ask(Way.CHAT)
        wedged.always([Silence()])
        wedged.loading = Gate()
        wedged.loading.open()
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(stage.ask(Way.CHAT, timeout_s=30)) for _ in range(3)]
            await fallback_reached(fallback, 2)
            wedged.loading.close()
            last = group.create_task(stage.ask(Way.CHAT, timeout_s=8))
            await wedged.loading.reached(1)
            wedged.loading.open()

    assert {FALLBACK_TEXT} == {one.result().text for one in (*first, last)}


async def fallback_reached(fallback: FaultServer, calls: int) -> None:
    await eventually(lambda: len(fallback.chats) >= calls)


@pytest.mark.parametrize("protocol", Protocol)
async def test_failures_count_while_the_fallback_still_answers(protocol: Protocol) -> None:
    async with staged(protocol, stands_still=True) as stage:
        assert stage.fallback is not None
        open_end = Gate()
        stage.primary.always([refuse(protocol, Fault.UNAVAILABLE)])
        stage.fallback.always([Begin(), Say("text"), open_end, Marker(), Frame(), End()])
        async with asyncio.TaskGroup() as group:
            for position in range(1, 9):
                _ = group.create_task(stage.ask(Way.STREAM))
                await fallback_reached(stage.fallback, position)
            open_end.open()

        assert 6 == len(stage.primary.chats)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("way", Way)
async def test_who_has_the_answer_is_not_told_that_time_was_up(
    protocol: Protocol, way: Way
) -> None:
    async with staged(protocol, alone=True) as stage:
        await stage.ask(way)
        # The end mark comes just before the deadline's reserve, and the body stays open behind it.
        for hold_s in (0.80, 0.82, 0.84):
            gate = Gate()
            stage.primary.will([Begin(), Say("x"), gate, Marker(), Frame(), Silence()])
            asyncio.get_running_loop().call_later(hold_s, gate.open)
            given = await stage.ask(way, timeout_s=1.0)

            assert given.response is None or "OK" == given.code
            assert given.response is not None or "DEADLINE_EXCEEDED" == given.code


async def test_alone_a_load_that_fails_is_tried_once_a_second() -> None:
    async with staged(Protocol.OLLAMA, alone=True, stands_still=True) as stage:
        stage.primary.in_memory = False
        stage.primary.fails_to_load = True
        await eventually(
            lambda: (
                not stage.service.app.providers.upstreams["primary"]
                .endpoints[0]
                .loads.is_loaded("phi3:mini")
            )
        )
        for _ in range(12):
            await stage.ask(Way.CHAT)
        before = stage.primary.loads
        stage.clock.advance(1)
        for _ in range(5):
            await stage.ask(Way.CHAT)

        assert before <= 6
        assert stage.primary.loads <= before + 2


async def test_an_answer_without_end_in_sight_is_reported_and_left() -> None:
    piece = "x" * 1_000_000
    async with staged(Protocol.OLLAMA, limits={"max_output_tokens": 1_000_000}) as stage:
        stage.primary.always([*[Say(piece)] * (MAX_ANSWER_BYTES // len(piece) + 1), Silence()])
        given = await stage.ask(Way.CHAT)
        await stage.primary.all_over()

        assert FALLBACK_TEXT == given.text
        assert [("primary", "PROVIDER_PROTOCOL"), ("fallback", "OK")] == given.attempts
        assert given.route.attempts[0].HasField("elapsed_duration")
        assert ["primary"] == [one.provider.name for one in stage.service.reporter.attempts]
