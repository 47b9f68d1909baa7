"""grpc-health-probe, which asks as a kubelet does."""

import pytest

from tests.interop.programs import program
from tests.interop.running import Ran, run

pytestmark = pytest.mark.interop

NO_SUCH_NAME = 3  # the call itself failed
NOT_SERVING = 4


async def probe(address: str, name: str) -> Ran:
    return await run(program("grpc-health-probe"), "-addr", address, "-service", name)


@pytest.mark.parametrize("name", ["", "liveness", "readiness", "llmsvc.v1.LLMService"])
async def test_a_server_that_can_answer_is_serving(mocked: str, name: str) -> None:
    assert 0 == (await probe(mocked, name)).code


async def test_an_unknown_name_is_a_failure(mocked: str) -> None:
    probed = await probe(mocked, "no-such-name")

    assert NO_SUCH_NAME == probed.code
    assert "NotFound" in probed.err


async def test_a_server_without_its_ollama_is_alive_and_not_ready(without_ollama: str) -> None:
    assert 0 == (await probe(without_ollama, "liveness")).code
    assert NOT_SERVING == (await probe(without_ollama, "readiness")).code
