"""Health of the whole service: which names there are, and when each is SERVING."""

import asyncio
import math
from collections.abc import Mapping

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import headers, page, silent, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import whole

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
READINESS_NAMES = ("", "readiness", "llmsvc.v1.LLMService")
OFTEN = {"refresh_s": 0.1}
LOOKS = ("/api/tags", "/api/ps", "/api/version")


def health_of(service: RunningService) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(service.channel)


async def check(service: RunningService, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    status: int = (await health_of(service).Check(request)).status
    return status


async def table(service: RunningService) -> Mapping[str, bool]:
    response = await health_of(service).List(health_pb2.HealthListRequest())
    return {name: one.status == SERVING for name, one in response.statuses.items()}


async def looked(service: RunningService) -> None:
    """Wait for the first look."""
    await eventually(lambda: len(service.app.board.table) > len(READINESS_NAMES) + 1)
    await eventually(lambda: bool(service.reporter.changes))


async def ready(service: RunningService, *, is_so: bool = True) -> None:
    await eventually(lambda: service.app.board.table["readiness"] == is_so)


async def test_all_names_of_a_service_that_can_answer() -> None:
    async with (
        FakeOllama(models=("phi3:mini", "qwen:latest")) as fake,
        running_service(over_ollama(fake, mock=True)) as service,
    ):
        await ready(service)
        await eventually(lambda: service.app.board.table.get("model/qwen:latest", False))

        expected = dict.fromkeys(
            (
                "liveness",
                *READINESS_NAMES,
                "provider/ollama",
                "provider/mock",
                "model/phi3:mini",
                "model/qwen:latest",
                "model/mock",
            ),
            True,
        )

        assert expected == await table(service)
        for name in expected:
            assert await check(service, name) == SERVING


async def test_an_unknown_name_is_not_found() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await check(service, "model/other")
        request = health_pb2.HealthCheckRequest(service="model/other")
        watch = health_of(service).Watch(request)
        watched = await watch.read()
        watch.cancel()

    assert failed.value.code() == grpc.StatusCode.NOT_FOUND
    assert watched.status == SERVICE_UNKNOWN


async def test_before_the_first_look_only_liveness_serves() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        gates = fake.gates
        for path in LOOKS:
            gates[path] = Gate()
        async with running_service(over_ollama(fake)) as service:
            before = await table(service)
            for gate in gates.values():
                gate.open()
            await ready(service)

    assert ["liveness"] == [name for name, serving in before.items() if serving]
    assert {*READINESS_NAMES, "provider/ollama", "model/phi3:mini"} <= before.keys()


async def test_readiness_follows_ollama_down_and_up() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=OFTEN) as service,
    ):
        await ready(service)
        fake.shut_down()
        await ready(service, is_so=False)
        down = await table(service)
        await fake.start_listening()
        await ready(service)
        up = await table(service)

    assert ["liveness"] == [name for name, serving in down.items() if serving]
    assert all(up.values())


async def test_readiness_follows_the_configured_model() -> None:
    async with (
        FakeOllama(models=("qwen:latest",)) as fake,
        running_service(over_ollama(fake), health=OFTEN) as service,
    ):
        await eventually(lambda: service.app.board.table["provider/ollama"])
        without = await table(service)
        fake.world.add("phi3:mini")
        await ready(service)
        fake.world.remove("phi3:mini")
        await ready(service, is_so=False)

    assert not any(without[name] for name in (*READINESS_NAMES, "model/phi3:mini"))
    assert without["provider/ollama"]
    assert without["model/qwen:latest"]


async def test_a_stub_of_a_model_elsewhere_is_no_model() -> None:
    stub = Model(name="phi3:mini", remote_host="https://example.org")
    async with (
        FakeOllama(models=(stub,)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        await eventually(lambda: service.app.board.table["provider/ollama"])

        assert await check(service, "readiness") == NOT_SERVING


async def test_names_are_compared_as_ollama_does() -> None:
    async with (
        FakeOllama(models=("Qwen:latest",)) as fake,
        running_service(over_ollama(fake, model="qwen")) as service,
    ):
        await ready(service)

        assert await check(service, "model/Qwen:latest") == SERVING


async def test_with_the_mock_in_the_sequence_the_service_is_ready_without_ollama() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.stop_listening()
        async with running_service(over_ollama(fake, mock=True)) as service:
            await ready(service)

            assert await check(service, "provider/ollama") == NOT_SERVING
            assert await check(service, "provider/mock") == SERVING


async def test_a_wrong_address_is_not_ready() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        for path in LOOKS:
            fake.will(page(404, "404 page not found"), path=path, times=math.inf)
        async with running_service(over_ollama(fake)) as service:
            await looked(service)

            assert await check(service, "readiness") == NOT_SERVING
            assert await check(service, "provider/ollama") == NOT_SERVING


@pytest.mark.parametrize(("require", "status"), [("none", SERVING), ("local", NOT_SERVING)])
async def test_the_operator_chooses_what_readiness_asks_for(require: str, status: int) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.stop_listening()
        async with running_service(over_ollama(fake), health={"require": require}) as service:
            await looked(service)

            assert status == await check(service, "readiness")
            assert await check(service, "provider/ollama") == NOT_SERVING


async def test_the_mock_counts_as_local() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.stop_listening()
        llm = over_ollama(fake, mock=True)
        async with running_service(llm, health={"require": "local"}) as service:
            await ready(service)

            assert await check(service, "") == SERVING


async def test_watch_tells_transitions_only_and_ends_with_the_drain() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health=OFTEN) as service,
    ):
        await ready(service)
        request = health_pb2.HealthCheckRequest(service="readiness")
        call = health_of(service).Watch(request)
        watch = aiter(call)
        seen = [(await anext(watch)).status]
        looks = len(fake.requests("/api/tags"))
        fake.world.add("qwen:latest")  # a change, but none of readiness
        await fake.received(looks + 3, path="/api/tags")
        fake.shut_down()
        seen.append((await anext(watch)).status)
        await fake.start_listening()
        seen.append((await anext(watch)).status)
        service.app.board.drain()
        seen += [message.status async for message in watch]
        code = await call.code()

    assert [SERVING, NOT_SERVING, SERVING, NOT_SERVING] == seen
    assert code == grpc.StatusCode.OK


async def test_probes_cause_no_request_upstream() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake), health={"refresh_s": 300}) as service,
    ):
        await ready(service)
        for path in (*LOOKS, "/api/show"):
            await fake.received(path=path)
        await fake.idle()
        before = len(fake.exchanges)
        for name in ("", "liveness", "provider/ollama", "model/phi3:mini"):
            for _ in range(25):
                await check(service, name)
        for _ in range(10):
            await table(service)

        assert before == len(fake.exchanges)


async def test_probes_are_answered_with_everything_upstream_silent_and_200_streams() -> None:
    streams, probes = 200, 50
    async with FakeOllama(models=("phi3:mini",), num_parallel=streams) as fake:
        fake.will(headers(), token("a"), silent(), times=streams)
        async with (
            running_service(
                over_ollama(fake, max_in_flight_per_model=streams), health=OFTEN
            ) as service,
            asyncio.TaskGroup() as group,
        ):
            await ready(service)
            own = [("grpc.use_local_subchannel_pool", 1)]  # else they share one connection
            channels = [grpc.aio.insecure_channel(service.address, own) for _ in range(4)]
            stubs = [llm_pb2_grpc.LLMServiceStub(channel) for channel in channels]
            running = [stubs[n % 4].ChatStream(chat_message()) for n in range(streams)]
            for stream in running:
                group.create_task(_read_until_cancelled(stream))
            await eventually(lambda: len(fake.chats) == streams)
            for path in LOOKS:  # not before: who can't be looked at gets no more chats
                fake.gates[path] = Gate()
            looks = len(fake.exchanges)
            async with asyncio.timeout(10):
                statuses = [await check(service, "liveness") for _ in range(probes)]
                statuses += [await check(service, "readiness") for _ in range(probes)]
            looked_meanwhile = len(fake.exchanges) - looks
            for stream in running:
                stream.cancel()
            await eventually(lambda: not len(service.app.in_flight), within_s=30)
            for channel in channels:
                await channel.close()

    assert [SERVING] * 2 * probes == statuses
    # The refresh that is on its way, and perhaps the next: not one per probe.
    assert looked_meanwhile < 20


async def test_a_busy_ollama_that_is_slow_to_tell_stays_ready() -> None:
    gate = Gate()
    async with (
        FakeOllama(models=("phi3:mini",), num_parallel=2) as fake,
        running_service(over_ollama(fake), health=OFTEN) as service,
        asyncio.TaskGroup() as group,
    ):
        await ready(service)
        fake.conversation.first_token_gate = gate
        group.create_task(whole(service))
        await gate.reached()
        for path in LOOKS:
            fake.gates[path] = Gate()
        looks = len(fake.requests("/api/tags"))
        await fake.received(looks + 3, path="/api/tags", within_s=15)

        assert await check(service, "readiness") == SERVING
        gate.open()


async def _read_until_cancelled(
    stream: "grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]",
) -> None:
    with pytest.raises(asyncio.CancelledError):
        async for _ in stream:
            pass
