"""Waiting for an engine that brings its one model into memory by itself.

Source: docs/facts/providers.md 1.7: llama.cpp's `/health` is 503 while it loads.
"""

import asyncio

from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.openai.errors import classify_local_refusal
from llmsvc_server.providers.shared.refusal import OK, error_from_response

ASKED_EVERY_S = 1.0
_LOADING = 503
_NO_SUCH_PLACE = frozenset({404, 405, 501})


async def wait_until_loaded(origin: HttpClient, *, every_s: float = ASKED_EVERY_S) -> None:
    """Return once an engine serves; at once where it does not tell.

    It is asked until then. Whoever calls it sets the limit.

    Args:
        origin: The root of its server.
        every_s: Seconds between two questions.

    Raises:
        ProviderError: It cannot be reached, or refuses to say.
    """
    while True:
        if not await _is_loading(origin):
            return
        await asyncio.sleep(every_s)


async def _is_loading(origin: HttpClient) -> bool:
    response = await origin.get("/health")
    try:
        if response.status == _LOADING:
            return True
        if response.status == OK or response.status in _NO_SUCH_PLACE:
            return False
        raise await error_from_response(response, classify_local_refusal)
    finally:
        response.close()
