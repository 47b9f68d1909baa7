"""How the tests of the fakes ask for a chat."""

import json

import aiohttp

CHAT: dict[str, object] = {
    "model": "phi3:mini",
    "messages": [{"role": "user", "content": "hi"}],
}


async def ask(session: aiohttp.ClientSession, base_url: str, **fields: object) -> tuple[int, bytes]:
    """Return status and whole body of one chat; `fields` add to the request or replace its own."""
    async with session.post(f"{base_url}/api/chat", json=CHAT | fields) as response:
        return response.status, await response.read()


def content(body: bytes) -> str:
    """Return the text of an answer in lines."""
    lines = [json.loads(line) for line in body.splitlines()]
    return "".join(line["message"]["content"] for line in lines)


def error(body: bytes) -> str:
    """Return an error's text."""
    return str(json.loads(body)["error"])
