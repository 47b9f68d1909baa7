"""Prompts that do not fit the window."""

from pathlib import Path

import grpc
import pytest

from tests.contract.told import told
from tests.fakes.requests import chat_message
from tests.live.service import service
from tests.live.subject import Subject

pytestmark = pytest.mark.live

WINDOW_TOKENS = 64


async def test_a_prompt_that_does_not_fit_is_refused_or_cut_to_the_window_by_an_old_ollama(
    breakable: Subject, tmp_path: Path
) -> None:
    # 0.10.1 knows neither `truncate` nor `shift`: it cuts in silence, and only the count tells.
    settings = {"model": breakable.model, "num_ctx": WINDOW_TOKENS}
    async with service(tmp_path, breakable.base_url, **settings) as served:
        try:
            answer = await served.chat(chat_message("a" * 200), within_s=60)
        except grpc.aio.AioRpcError as error:
            assert "CONTEXT_LENGTH_EXCEEDED" == told(error).reason  # noqa: PT017  either is right
        else:
            assert WINDOW_TOKENS == answer.usage.input_tokens
