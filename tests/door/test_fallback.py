"""Where the in-loop door can't be had, in processes of their own."""

from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest
import yaml

from llmsvc.v1 import llm_pb2_grpc
from tests.door.process import served
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.requests import chat_message
from tests.fakes.server_process import config_file, server_process

DEFAULT_ENGINE = {"GRPC_EXPERIMENTS": ""}
TAKEN_BACK = {"GRPC_EXPERIMENTS": "-event_engine_listener,event_engine_listener"}
POLL = {"GRPC_POLL_STRATEGY": "poll"}
LISTEN = {"listen": "127.0.0.1:0"}
FAKES = Path(__file__).parents[1] / "fakes"
LACKING_NAME = {"PYTHONPATH": str(FAKES / "lacking_grpcio")}
OTHER_USER = {"PYTHONPATH": str(FAKES / "other_grpc_user")}
MOCK = {
    "providers": {"mock": {"kind": "mock", "enabled": True}},
    "default_provider": "mock",
}


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        (DEFAULT_ENGINE, "GRPC_EXPERIMENTS lacks"),
        (TAKEN_BACK, "self-test failed"),
        (POLL, "it needs epoll1"),
        (LACKING_NAME, "AttributeError while it was made"),
    ],
)
async def test_calls_are_served_all_the_same(environ: Mapping[str, str], why: str) -> None:
    async with served("auto", environ) as one:
        answer = await one.call("Echo", b"x")

    assert ("aio", b"x") == (one.door, answer)
    assert why in one.why


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        (DEFAULT_ENGINE, "GRPC_EXPERIMENTS lacks -event_engine_listener"),
        (LACKING_NAME, "AttributeError while it was made"),
        (OTHER_USER, "gRPC runs in this process already, or doesn't use epoll here"),
    ],
)
async def test_the_service_says_at_its_start_which_door_it_has_and_why(
    tmp_path: Path, environ: Mapping[str, str], why: str
) -> None:
    config = config_file(tmp_path, {"llm": MOCK, "server": {"door": "auto"}})
    async with (
        server_process(config, environ=environ) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        answer = await llm_pb2_grpc.LLMServiceStub(channel).Chat(chat_message(), timeout=PATIENCE_S)

    (started,), (said,) = server.events("server.started"), server.events("server.door")
    assert ("aio", why) == (started["door"], said["detail"])
    assert "mock" == answer.route.provider


async def test_where_all_is_there_the_service_has_the_one_in_the_loop_unasked(
    tmp_path: Path,
) -> None:
    (tmp_path / "llmsvc.yaml").write_text(yaml.safe_dump({"llm": MOCK, "server": LISTEN}))
    async with server_process(tmp_path / "llmsvc.yaml") as server:
        pass

    (started,) = server.events("server.started")
    assert "in_loop" == started["door"]
    assert not server.events("server.door")


async def test_who_insists_is_told_why_not_and_nothing_starts(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"llm": MOCK, "server": {"door": "in_loop"}})
    async with server_process(config, environ=TAKEN_BACK) as server:
        code = await server.exit_code()

    (said,) = server.events("server.cannot_open_door")
    assert 2 == code
    assert "self-test failed" in str(said["detail"])
    assert "set server.door to auto" == said["remedy"]
    assert not server.events("server.started")
