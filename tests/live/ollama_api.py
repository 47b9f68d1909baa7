"""What tests ask of an Ollama directly, past the service: to prepare it, and to look."""

import asyncio
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

LIMIT = aiohttp.ClientTimeout(total=120)
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, whole."""

    text: str
    done_reason: str
    prompt_tokens: int
    output_tokens: int


def full_name(model: str) -> str:
    """Return a model's name as Ollama lists it, with its tag."""
    return model if ":" in model else f"{model}:latest"


class OllamaApi:
    """An Ollama, as its own protocol shows it."""

    def __init__(self, base_url: str) -> None:
        """Keep where it is."""
        self._base_url = base_url

    async def create(self, model: str, weights: bytes, template: str) -> None:
        """Make a model of what is in a file; its only parameter is one thread.

        Raises:
            AssertionError: It did not become one.
        """
        digest = f"sha256:{hashlib.sha256(weights).hexdigest()}"
        body = {
            "model": model,
            "files": {"weights.gguf": digest},
            "template": template,
            "parameters": {"num_thread": 1},  # more threads than free cores wait for each other
        }
        async with self._session() as session:
            async with session.post(f"/api/blobs/{digest}", data=io.BytesIO(weights)) as answer:
                answer.raise_for_status()
            async with session.post("/api/create", json=body) as answer:
                last = (await answer.text()).strip().splitlines()[-1]
        assert '"success"' in last, last

    async def chat(
        self,
        model: str,
        text: str,
        *,
        most_tokens: int = 100,
        schema: Mapping[str, object] | None = None,
    ) -> Reply:
        """Return the likeliest answer to one message, of the shape that a schema tells."""
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "stream": False,
            "think": False,  # as the service asks; some think all the same
            "options": {"num_predict": most_tokens, "temperature": 0},
        }
        if schema is not None:
            body["format"] = schema
        async with self._session() as session, session.post("/api/chat", json=body) as answer:
            answer.raise_for_status()
            whole = await answer.json()
        return Reply(
            text=whole["message"]["content"],
            done_reason=whole["done_reason"],
            prompt_tokens=whole["prompt_eval_count"],
            output_tokens=whole["eval_count"],
        )

    async def loaded(self) -> frozenset[str]:
        """Return the full names of the models in memory."""
        async with self._session() as session, session.get("/api/ps") as answer:
            answer.raise_for_status()
            return frozenset(one["name"] for one in (await answer.json())["models"])

    async def unload(self, model: str) -> None:
        """Take a model out of memory, and return when it is gone."""
        body = {"model": model, "messages": [], "keep_alive": 0}
        async with self._session() as session, session.post("/api/chat", json=body) as answer:
            answer.raise_for_status()
        async with asyncio.timeout(30):
            while full_name(model) in await self.loaded():  # noqa: ASYNC110  another process
                await asyncio.sleep(POLL_S)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self._base_url, timeout=LIMIT)
