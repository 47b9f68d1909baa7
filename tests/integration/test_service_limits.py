"""Limits on an answer's length, from a caller to servers with small windows."""

from pathlib import Path

import pytest
import yaml

from llmsvc.v1 import llm_pb2
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.requests import chat_message
from tests.fakes.running_service import Tree, running_service
from tests.integration.calling import said

POOL = Path(__file__).parents[2] / "deploy/config/pool-vllm-cloud.yaml"


def pool_over(fake: FakeOpenai) -> Tree:
    """Return the pool as it is shipped, with a vLLM and nobody else at home."""
    llm: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(POOL.read_text())["llm"]
    nobody = "http://127.0.0.1:9"
    llm["providers"]["ollama"]["base_urls"] = [nobody, f"{nobody}/b"]
    llm["providers"]["vllm"]["base_url"] = fake.base_url
    return llm


@pytest.mark.parametrize(
    ("limits", "asked", "sent", "told"),
    [
        ({}, None, [None], []),
        ({}, 100, [100], []),
        ({}, 8_192, [8_192, 4_066], [llm_pb2.Adjustment.ACTION_CLAMPED]),
        ({"max_output_tokens": 8_192}, None, [8_192, 4_066], []),
    ],
)
async def test_a_small_window_answers_ordinary_calls(
    limits: Tree, asked: int | None, sent: list[int | None], told: list[int]
) -> None:
    request = chat_message()
    if asked is not None:
        request.generation_config.max_output_tokens = asked
    async with (
        FakeOpenai(models=("qwen3",), window=4_096) as fake,
        running_service(pool_over(fake), limits=limits) as service,
    ):
        response = await service.stub.Chat(request, timeout=20)

        assert ("vllm", fake.answer) == (response.route.provider, said(response))
        assert sent == [chat.json.get("max_tokens") for chat in fake.chats]
        assert told == [one.action for one in response.adjustments]
