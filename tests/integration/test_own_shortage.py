"""When this process has no file descriptor left: no provider is blamed for that."""

import subprocess
import sys
from pathlib import Path

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2_grpc
from tests.contract.told import Told, told
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama
from tests.fakes.server_process import config_file, server_process

NONE_LEFT = 3
"""The limit under which nothing more is opened; what is open stays so."""


async def refused(stub: "llm_pb2_grpc.LLMServiceAsyncStub") -> Told:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.Chat(chat_message())
    return told(failed.value)


async def test_it_is_told_as_ours_logged_once_and_over_at_once(tmp_path: Path) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        tree = {"llm": over_ollama(fake, mock=True), "health": {"refresh_s": 300}}
        async with (
            server_process(config_file(tmp_path, tree)) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            await eventually(lambda: bool(server.events("server.answers")))
            stub = llm_pb2_grpc.LLMServiceStub(channel)
            health = health_pb2_grpc.HealthStub(channel)
            await stub.Chat(chat_message())
            fake.cut_connections()
            process = psutil.Process(server.process.pid)
            before = process.rlimit(psutil.RLIMIT_NOFILE)
            process.rlimit(psutil.RLIMIT_NOFILE, (NONE_LEFT, before[1]))

            failures = [await refused(stub) for _ in range(6)]
            seen = await health.Check(health_pb2.HealthCheckRequest(service="provider/ollama"))
            process.rlimit(psutil.RLIMIT_NOFILE, before)
            answer = await stub.Chat(chat_message())

            await eventually(lambda: len(server.events("rpc.finished")) == 8)

    # Not the mock, which comes next in the sequence: what we lack is no reason to ask others.
    assert {("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")} == {
        (failure.code, failure.reason) for failure in failures
    }
    assert {"descriptors"} == {failure.metadata["cause"] for failure in failures}
    assert all(failure.detail(error_details_pb2.RetryInfo) for failure in failures)
    assert health_pb2.HealthCheckResponse.SERVING == seen.status
    assert "ollama" == answer.route.provider
    (line,) = server.events("server.exhausted")
    assert "ulimit -n" in str(line["remedy"])
    assert not server.events("attempt.failed")
    assert not server.events("breaker.changed")


SCRIPT = """
import resource, sys, uvloop
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.client import HttpClient

async def main():
    async with HttpClient(sys.argv[1], connect_timeout_s=2.0, user_agent="test") as upstream:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            await upstream.get("/")
        except ProviderError as error:
            told = error.kind, error.cause, error.called
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        print(*told)

uvloop.run(main())
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "a-name.invalid"])
def test_a_name_that_cannot_be_looked_up_for_want_of_descriptors_is_ours_too(host: str) -> None:
    done = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-c", SCRIPT, f"http://{host}:1"], capture_output=True, check=True
    )

    assert ["exhausted", "descriptors", "False"] == done.stdout.decode().split()
