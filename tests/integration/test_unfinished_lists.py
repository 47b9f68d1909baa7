"""Lists of models that are longer than what there is room for: no provider is blamed."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.unfinished import FREE_BYTES, Unfinished
from llmsvc_server.providers.ollama.models import OllamaModels
from llmsvc_server.providers.openai.models import OpenaiModels
from tests.fakes.raw_answers import MODEL, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.fakes.scripted_provider import names_of

LONG = 4 * FREE_BYTES
DOCUMENTS = {
    "/api/tags": tags(MODEL),
    "/api/version": b'{"version":"0.24.0"}',
    "/api/ps": b'{"models":[]}',
    "/models": b'{"object":"list","data":[{"id":"phi3:mini"}]}',
}

Look = Callable[[HttpClient, Unfinished], Awaitable[Catalogue]]


async def as_ollama(upstream: HttpClient, unfinished: Unfinished) -> Catalogue:
    return await OllamaModels(upstream, unfinished=unfinished).catalogue()


async def as_openai(upstream: HttpClient, unfinished: Unfinished) -> Catalogue:
    return await OpenaiModels(upstream, (upstream,), unfinished=unfinished).catalogue()


async def looked(look: Look, long: str, unfinished: Unfinished) -> Catalogue:
    """Return what a look finds where one document is followed by many blanks."""
    documents = {**DOCUMENTS, long: DOCUMENTS[long] + b" " * LONG}

    async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(response(documents[asked.path]))

    async with (
        RawUpstream(say) as raw,
        HttpClient(raw.base_url, connect_timeout_s=2.0, user_agent="llmsvc/test") as upstream,
    ):
        return await look(upstream, unfinished)


@pytest.mark.parametrize(
    ("look", "long"), [(as_ollama, "/api/tags"), (as_openai, "/models"), (as_openai, "/api/tags")]
)
async def test_a_list_needs_room(look: Look, long: str) -> None:
    little, enough = Unfinished(LONG), Unfinished(2 * LONG)

    with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED):
        await looked(look, long, little)
    catalogue = await looked(look, long, enough)

    assert MODEL in names_of(catalogue).values()
    assert (0, 0) == (little.bytes, enough.bytes)


async def test_what_is_in_memory_stays_unknown_where_its_list_has_no_room() -> None:
    unfinished = Unfinished(LONG)

    catalogue = await looked(as_ollama, "/api/ps", unfinished)

    assert catalogue.loaded is None
    assert 0 == unfinished.bytes
