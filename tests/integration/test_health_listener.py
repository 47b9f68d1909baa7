"""The listener for probes: health alone, on the board of the other, until the very end."""

import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2_grpc
from tests.contract.told import told
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import done, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama, running_service
from tests.fakes.server_process import ServerProcess, config_file, server_process

MOCK_ALONE = {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}
OWN = {"health_listen": "127.0.0.1:0"}
SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def probing(server: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to the listener for probes."""
    (line,) = server.events("server.started")
    async with grpc.aio.insecure_channel(str(line["health_listen"])) as channel:
        yield channel


async def status(channel: grpc.aio.Channel, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE_S)
    return int(answer.status)


async def test_it_answers_health_and_nothing_else(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"llm": MOCK_ALONE, "server": OWN})
    async with server_process(config) as server, probing(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        listed = await health.List(health_pb2.HealthListRequest(), timeout=PATIENCE_S)
        watched = await health.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S).read()
        codes = []
        for method in (
            "/llmsvc.v1.LLMService/Chat",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary(method, bytes, bytes)(b"", timeout=PATIENCE_S)
            codes.append(raised.value.code())

        assert SERVING == await status(channel, "liveness")
        assert {"", "liveness", "readiness"} <= set(listed.statuses)
        assert SERVING == watched.status
        assert [grpc.StatusCode.UNIMPLEMENTED] * 2 == codes


async def test_both_listeners_tell_of_the_same_board() -> None:
    async with running_service(MOCK_ALONE, server=OWN) as service:
        assert service.app.health is not None
        (address,) = service.app.health.places.addresses
        async with grpc.aio.insecure_channel(address) as channel:
            request = health_pb2.HealthCheckRequest(service="liveness")
            watches = [
                health_pb2_grpc.HealthStub(one).Watch(request) for one in (channel, service.channel)
            ]
            assert [SERVING] * 2 == [(await watch.read()).status for watch in watches]
            for watch in watches:
                watch.cancel()


async def test_it_refuses_what_is_no_probe_with_a_reason(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"llm": MOCK_ALONE, "server": OWN})
    check = "/grpc.health.v1.Health/Check"
    async with server_process(config) as server, probing(server) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(check, bytes, bytes)(b"\xff", timeout=PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as too_long:
            await status(channel, "x" * 5_000)

    assert "INVALID_REQUEST" == told(raised.value).reason
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == too_long.value.code()


async def test_it_says_what_a_drain_does_until_the_last_call_has_ended(tmp_path: Path) -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, done())
        tree = {"llm": over_ollama(fake), "server": OWN, "drain": {"pre_drain_s": 0}}
        async with (
            server_process(config_file(tmp_path, tree)) as server,
            grpc.aio.insecure_channel(server.address) as channel,
            probing(server) as probe,
        ):
            stream = aiter(llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message()))
            await anext(stream)
            await anext(stream)
            assert SERVING == await status(probe, "readiness")
            server.send(signal.SIGTERM)
            await eventually(lambda: bool(server.events("drain.changed")))
            during = [await status(probe, name) for name in ("liveness", "readiness")]
            gate.open()
            rest = [event.WhichOneof("event") async for event in stream]

            assert 0 == await server.exit_code()

    assert [SERVING, NOT_SERVING] == during
    assert "completed" == rest[-1]


async def test_its_port_in_use_is_exit_3_and_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        tree = {"llm": MOCK_ALONE, "server": {"health_listen": listen}}
        async with server_process(config_file(tmp_path, tree)) as server:
            code = await server.exit_code()

    (line,) = server.events("server.cannot_bind")
    assert (3, listen) == (code, line["listen"])
    assert "server.health_listen" in str(line["remedy"])
