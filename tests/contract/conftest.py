"""pytest-grpc's channel and stub, against the real server on a loop of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from llmsvc.v1 import llm_pb2_grpc
from tests.contract.loop_thread import ServedElsewhere, served_elsewhere
from tests.fakes.assembled import MODEL
from tests.fakes.eventually import eventually
from tests.fakes.scripted_provider import ScriptedProvider


@pytest.fixture(scope="module")
def served() -> Iterator[ServedElsewhere]:
    """Serve one scripted provider to the blocking tests of a module."""
    with served_elsewhere(ScriptedProvider(models=[MODEL])) as server:
        yield server


@pytest.fixture(scope="module")
def grpc_addr(served: ServedElsewhere) -> str:
    """Where pytest-grpc connects to."""
    return served.service.address


@pytest.fixture(scope="module")
def grpc_server(served: ServedElsewhere) -> ServedElsewhere:
    """Return the running server, in place of the one that pytest-grpc would start."""
    return served


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type[llm_pb2_grpc.LLMServiceStub]:
    """What pytest-grpc makes its stub of."""
    return llm_pb2_grpc.LLMServiceStub


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    mine = asyncio.current_task()
    await eventually(lambda: asyncio.all_tasks() - {mine} <= before)
