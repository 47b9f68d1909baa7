"""What the tests run against: an Ollama of our own with tiny models, or a person's own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.programs import program
from tests.live.ollama_api import OllamaApi
from tests.live.ollama_process import OllamaProcess
from tests.live.tiny_models import CALLING, ENDLESS, IMITATING, PLAIN, SILENT

BASE_URL = "LLMSVC_LIVE_BASE_URL"
MODEL = "LLMSVC_LIVE_MODEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An Ollama with models.

    Attributes:
        base_url: Where it answers.
        model: The default model.
        talker: A model that goes on for long when asked to tell a story.
        process: Our own server; None for a person's.
    """

    base_url: str
    model: str
    talker: str
    process: OllamaProcess | None

    @property
    def api(self) -> OllamaApi:
        """Ollama's own protocol."""
        return OllamaApi(self.base_url)


GREETING = "Say hello."
STORY = "Tell me a very long story."
FEW_TOKENS = 60
"""Enough for a greeting."""
MANY_TOKENS = 20
"""More than the tests let a model tell of a story that is to be cut."""


def persons_own() -> Subject | None:
    """Return the Ollama that the environment names, if it names one.

    Raises:
        pytest.fail.Exception: It names only half of it.
    """
    base_url, model = os.environ.get(BASE_URL, ""), os.environ.get(MODEL, "")
    if bool(base_url) != bool(model):
        pytest.fail(f"set both {BASE_URL} and {MODEL}, or neither", pytrace=False)
    if not base_url:
        return None
    return Subject(base_url=base_url, model=model, talker=model, process=None)


@asynccontextmanager
async def our_own(folder: Path, *, slots: int = 1) -> AsyncIterator[Subject]:
    """Run an Ollama of our own, and end it with all that it started.

    Args:
        folder: For all that it keeps.
        slots: How many chats a model runs at once.

    Raises:
        pytest.skip.Exception: There is no `ollama`.
    """
    process = OllamaProcess(program("ollama"), folder, slots=slots)
    try:
        await process.start()
        for model in (PLAIN, ENDLESS, SILENT, CALLING, IMITATING):
            await model.make(OllamaApi(process.base_url), folder)
        yield Subject(
            base_url=process.base_url,
            model=PLAIN.name,
            talker=ENDLESS.name,
            process=process,
        )
    finally:
        await process.end()
