"""Which models there are: missing, added later, in memory or not."""

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.contract.told import told
from tests.fakes.requests import chat_message
from tests.live.ollama_api import full_name
from tests.live.service import Service, service
from tests.live.subject import GREETING, Subject
from tests.live.tiny_model import Script
from tests.live.tiny_models import TinyModel

pytestmark = pytest.mark.live

COLD_S = 300.0
MISSING = "llmsvc-no-such-model"


async def test_a_model_that_is_not_there_is_not_found(served: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.stream(chat_message(model=MISSING), within_s=10)

    failure = told(refused.value)
    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
    assert MISSING == failure.detail(error_details_pb2.ResourceInfo).resource_name


async def test_a_configured_model_that_is_not_there_says_how_to_get_it(
    subject: Subject, tmp_path: Path
) -> None:
    async with service(tmp_path, subject.base_url, model=MISSING) as served:
        await served.until(serving=True, name="provider/ollama")
        await served.until(serving=False)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.chat(chat_message(), within_s=10)

    failure = told(refused.value)
    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
    assert f"ollama pull {MISSING}" in failure.message


async def test_a_model_that_comes_later_is_noticed(breakable: Subject, tmp_path: Path) -> None:
    late = TinyModel(name="late", script=Script(words=("Here", " now.")))
    async with service(tmp_path, breakable.base_url, model="late") as served:
        await served.until(serving=False)
        await late.make(breakable.api, tmp_path)
        await served.until(serving=True)
        stream = await served.stream(chat_message(), within_s=COLD_S)

    assert "Here now." == stream.text


async def test_a_cold_model_is_loaded_by_the_call_that_needs_it(
    served: Service, subject: Subject
) -> None:
    await subject.api.unload(subject.model)
    request = chat_message(GREETING)
    request.generation_config.max_output_tokens = 20
    before = await subject.api.loaded()
    stream = await served.stream(request, within_s=COLD_S)
    after = await subject.api.loaded()

    assert stream.completed.usage.output_tokens > 0  # of thinking too
    assert full_name(subject.model) not in before
    assert full_name(subject.model) in after


async def test_readiness_does_not_need_the_model_in_memory(
    served: Service, subject: Subject
) -> None:
    await subject.api.unload(subject.model)
    await served.until(serving=True)
    await served.until(serving=True, name=f"model/{full_name(subject.model)}")

    assert full_name(subject.model) not in await subject.api.loaded()
