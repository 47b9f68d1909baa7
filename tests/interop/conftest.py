"""Running servers, as programs meet them: with the mock, and over an Ollama that is scripted."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.server_process import config_file, server_process
from tests.interop.go_workshop import GoWorkshop
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import settings

MOCK_ALONE = {"llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}}


@pytest.fixture(scope="session")
async def mocked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Return the address of a server that answers with canned text."""
    config = config_file(tmp_path_factory.mktemp("mocked"), MOCK_ALONE)
    async with server_process(config) as server:
        yield server.address


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    """Return an Ollama to script."""
    async with FakeOllama(models=("phi3:mini",)) as fake:
        yield fake


@pytest.fixture
async def over_ollama(ollama: FakeOllama, tmp_path: Path) -> AsyncIterator[str]:
    """Return the address of a server over it."""
    entry = {"base_url": ollama.base_url, "model": "phi3:mini"}
    tree = {"llm": {"providers": {"ollama": entry}, "default_provider": "ollama"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        yield server.address


@pytest.fixture
async def without_ollama(tmp_path: Path) -> AsyncIterator[str]:
    """Return the address of a server whose Ollama is not there."""
    entry = {"base_url": "http://127.0.0.1:1", "model": "phi3:mini"}
    tree = {"llm": {"providers": {"ollama": entry}, "default_provider": "ollama"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        yield server.address


@dataclass(frozen=True, slots=True)
class LocalThenCloud:
    """The address of a server over an Ollama and, after it, a cloud."""

    address: str
    ollama: FaultServer
    cloud: FaultServer


@pytest.fixture
async def local_then_cloud(tmp_path: Path) -> AsyncIterator[LocalThenCloud]:
    """Return a server whose Ollama is well."""
    async with AsyncExitStack() as stack:
        says = {"ollama": "Rayleigh scattering.", "openai": "Scattered light."}
        servers = {
            name: await stack.enter_async_context(FaultServer(Protocol(name), says=text))
            for name, text in says.items()
        }
        config = config_file(tmp_path, {"llm": settings(servers, privacy=None)})
        server = await stack.enter_async_context(server_process(config))
        yield LocalThenCloud(server.address, servers["ollama"], servers["openai"])


@pytest.fixture
def cloud_helps(local_then_cloud: LocalThenCloud) -> LocalThenCloud:
    """Return the same, its Ollama failing at every chat."""
    local_then_cloud.ollama.always([refuse(Protocol.OLLAMA, Fault.TRANSIENT)])
    return local_then_cloud


@pytest.fixture(scope="session")
async def workshop(tmp_path_factory: pytest.TempPathFactory) -> GoWorkshop:
    """Return a place where Go programs are built against the contract."""
    workshop = GoWorkshop(tmp_path_factory.mktemp("go"))
    await workshop.open()
    return workshop
