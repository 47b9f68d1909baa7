"""Which paths a fake Ollama knows, and what a real one says to the others."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from tests.fakes import ollama_replies
from tests.fakes.ollama_chat import Conversation
from tests.fakes.ollama_checks import decode_object
from tests.fakes.ollama_stage import TEXT, Stage

CHAT = "/api/chat"


class _Route(NamedTuple):
    methods: tuple[str, ...]
    answer: Callable[[Stage], Awaitable[None]]


async def answer(stage: Stage, conversation: Conversation, version: str) -> None:
    """Answer one request that no test has scripted.

    Raises:
        Refused: The request is wrong, or the world's state does not allow it.
    """
    routes = _routes(stage, conversation, version)
    path = stage.exchange.path
    clean = re.sub("/+", "/", path).rstrip("/") or "/"
    route = routes.get(path)
    if route is None and clean in routes:
        await stage.body(b"", TEXT, 307, {"Location": clean})
    elif route is None:
        await stage.body(b"404 page not found", TEXT, 404)
    elif stage.exchange.method not in route.methods:
        allowed = {"Allow": ", ".join(route.methods)}
        await stage.body(b"405 method not allowed", TEXT, 405, allowed)
    else:
        await route.answer(stage)


def _routes(stage: Stage, conversation: Conversation, version: str) -> Mapping[str, _Route]:
    read = ("HEAD", "GET")
    routes = {
        "/": _Route(read, _root),
        "/api/version": _Route(read, lambda stage: stage.whole({"version": version})),
        "/api/tags": _Route(read, lambda stage: stage.whole(ollama_replies.tags(stage.world))),
        "/api/ps": _Route(("GET",), lambda stage: stage.whole(ollama_replies.ps(stage.world))),
        "/api/show": _Route(("POST",), _show),
        CHAT: _Route(("POST",), conversation.hold),
    }
    if not stage.oldest:
        routes["/api/status"] = _Route(("GET",), _status)
    return routes


async def _root(stage: Stage) -> None:
    await stage.body(b"Ollama is running", "text/plain; charset=utf-8")


async def _status(stage: Stage) -> None:
    await stage.whole({"cloud": {"disabled": True, "source": "env"}})


async def _show(stage: Stage) -> None:
    wanted = decode_object(stage.exchange.body, "api.ShowRequest")
    model = stage.world.show(str(wanted.get("model") or ""))
    await stage.whole(ollama_replies.show(model))
