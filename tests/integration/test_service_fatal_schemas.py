"""A schema that ends an engine is its own caller's trouble, and no other engine gets it."""

from collections.abc import Callable

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import (
    End,
    Script,
    answer,
    end,
    error_line,
    headers,
    runner_stopped,
    token,
)
from tests.fakes.requests import chat_message
from tests.fakes.running_service import Tree, over_ollama, running_service
from tests.integration.calling import failure_of, whole

MODEL = "phi3:mini"
SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
LOST = "an error was encountered while running the model: unexpected EOF"

ENDS: dict[str, Script] = {
    "runner_stopped": runner_stopped(),
    "told_in_a_line": error_line(LOST),
    "server_ended": end(End.RESET),
    "server_ended_later": (headers(), token("{"), end(End.CUT)),
}
each_end = pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)


def with_format() -> llm_pb2.ChatRequest:
    request = chat_message()
    request.response_format.json_schema.name = "place"
    request.response_format.json_schema.schema_json = SCHEMA
    return request


def with_tool() -> llm_pb2.ChatRequest:
    request = chat_message()
    function = request.tools.add().function
    function.name, function.parameters_json_schema = "place", SCHEMA
    return request


each_request = pytest.mark.parametrize("request_of", [with_format, with_tool])


def an_ollama() -> FakeOllama:
    calling = Model(name=MODEL, capabilities=("completion", "tools"))
    return FakeOllama(models=(calling,), loaded=(MODEL,))


def over_two(first: FakeOllama, second: FakeOllama, *, mock: bool = False) -> Tree:
    return {
        "providers": {
            "ollama": {"kind": "ollama", "base_url": first.base_url, "model": MODEL},
            "other": {"kind": "ollama", "base_url": second.base_url, "model": MODEL},
            "mock": {"kind": "mock", "enabled": True},
        },
        "default_provider": "ollama",
        "fallback_sequence": ["other", *(["mock"] if mock else [])],
    }


@each_end
@each_request
async def test_it_is_asked_once_of_one_engine(
    script: Script, request_of: Callable[[], llm_pb2.ChatRequest]
) -> None:
    async with (
        an_ollama() as first,
        an_ollama() as second,
        running_service(over_two(first, second)) as service,
    ):
        for _ in range(4):  # more than opens a breaker
            first.will(script)
            told = await failure_of(service.stub.Chat(request_of()))
            assert ("INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM") == (told.code, told.reason)
        assert 4 == len(first.chats)
        first.will(answer("there"))
        assert "there" == await whole(service)
        assert [] == second.chats

    failures = [one.error for one in service.reporter.finished if one.error is not None]
    assert ["fatal_schema"] * 4 == [one.kind for one in failures]
    assert all(one.row for one in failures)


async def test_a_kept_connection_that_dies_under_it_is_not_replaced() -> None:
    async with an_ollama() as fake, running_service(over_ollama(fake)) as service:
        await whole(service)
        fake.will(end(End.RESET))
        told = await failure_of(service.stub.Chat(with_format()))

        assert "REQUEST_REJECTED_UPSTREAM" == told.reason
        assert 2 == len(fake.chats)


@pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])
async def test_what_is_no_engine_of_its_kind_may_answer(*, unary: bool) -> None:
    async with (
        an_ollama() as first,
        an_ollama() as second,
        running_service(over_two(first, second, mock=True)) as service,
    ):
        first.will(runner_stopped())
        if unary:
            route = (await service.stub.Chat(with_format())).route
        else:
            stream = service.stub.ChatStream(with_format())
            first_message, *_ = [message async for message in stream]
            route = first_message.started.route

        assert [] == second.chats
    assert ["REQUEST_REJECTED_UPSTREAM", "REQUEST_REJECTED_UPSTREAM", ""] == [
        llm_pb2.ErrorReason.Name(one.reason)
        .removeprefix("ERROR_REASON_")
        .removesuffix("UNSPECIFIED")
        for one in route.attempts
    ]
    assert [True, False, True] == [one.content_sent for one in route.attempts]


async def test_a_pool_keeps_it_from_its_other_machines() -> None:
    async with an_ollama() as one, an_ollama() as other:
        urls = [one.base_url, other.base_url]
        pool = {"kind": "ollama", "base_urls": urls, "model": MODEL}
        for machine in (one, other):
            machine.will(runner_stopped())
        async with running_service(
            {"providers": {"ollama": pool}, "default_provider": "ollama"}
        ) as service:
            told = await failure_of(service.stub.Chat(with_format()))

        assert "REQUEST_REJECTED_UPSTREAM" == told.reason
        assert 1 == len(one.chats) + len(other.chats)
