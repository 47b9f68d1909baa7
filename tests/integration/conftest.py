"""A server that follows a script, and a client of it, for the tests of the client."""

from collections.abc import AsyncGenerator

import pytest

from llmsvc_client import Client
from tests.fakes.scripted_service import ScriptedService


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService() as service:
        yield service


@pytest.fixture
async def client(service: ScriptedService) -> AsyncGenerator[Client]:
    async with Client(service.address) as client:
        yield client
