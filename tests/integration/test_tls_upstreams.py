"""What is told where a provider and this server can't agree on TLS: never to start the provider."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import grpc
import pytest
from aiohttp.client_proto import ResponseHandler

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.tls import TlsTrouble
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.told import told
from tests.fakes.certificates import ISSUER, Certificate, tls_with
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.held_memory import uncollected
from tests.fakes.raw_answers import DIALECTS, MODEL, Dialect, answered, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.fakes.requests import chat_message
from tests.fakes.server_process import ServerProcess, config_file, server_process


async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
    is_chat = asked.path == "/api/chat"
    writer.write(DIALECTS["ollama"].answer("hi") if is_chat else response(tags(MODEL)))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
async def test_an_untrusted_certificate_is_told_by_every_adapter(dialect: Dialect) -> None:
    async with (
        RawUpstream(say, tls=tls_with(Certificate.GOOD)) as upstream,
        dialect.adapter(upstream.base_url) as provider,
    ):
        with pytest.raises(ProviderError) as caught:
            await answered(provider)

    error = caught.value
    assert (ErrorKind.CONNECT, TlsTrouble.UNTRUSTED) == (error.kind, error.cause)
    assert ("C03", "connect", False) == (error.row, error.phase, error.called)


def kept() -> int:
    """Return how many connections are remembered."""
    return sum(isinstance(one, ResponseHandler) for one in gc.get_objects())


async def test_a_handshake_that_fails_leaves_nothing_to_a_garbage_collector() -> None:
    async with (
        RawUpstream(say, tls=tls_with(Certificate.GOOD)) as upstream,
        DIALECTS["ollama"].adapter(upstream.base_url) as provider,
    ):
        with uncollected():
            for _ in range(3):
                with pytest.raises(ProviderError):
                    await answered(provider)
            await eventually(lambda: 0 == kept(), within_s=1.0)


async def say_hello_in_tls(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Say what OpenSSL says to plain HTTP: a fatal alert."""
    writer.write(bytes.fromhex("15 03 01 00 02 02 46"))
    writer.close()


async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


def upstream_of(name: str) -> "RawUpstream | FakeOllama":
    match name:
        case "plain":
            return FakeOllama(models=(MODEL,))
        case "unasked":
            return RawUpstream(say_hello_in_tls)
        case "hangs_up":
            return RawUpstream(hang_up)
        case _:
            return RawUpstream(say, tls=tls_with(Certificate(name)))


CASES: Mapping[str, tuple[str, str, str]] = {
    "good": ("https", "", "answers with"),
    "expired": ("https", "certificateExpired", "renew it"),
    "other_name": ("https", "certificateName", "another name"),
    "plain": ("https", "tlsFailed", "plain http"),
    "unasked": ("http", "tlsWanted", "begin with https"),
    "hangs_up": ("http", "", "closes them"),
}
"""How each upstream is spoken to, the cause that is told, and a word of the remedy."""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """Run a server that trusts the issuer, with one provider for each case."""
    async with AsyncExitStack() as stack:
        entries = {}
        for name, (scheme, _, _) in CASES.items():
            upstream = upstream_of(name)
            await stack.enter_async_context(upstream)
            url = f"{scheme}://localhost:{upstream.port}"
            entries[name] = {"kind": "ollama", "base_url": url, "model": MODEL}
        tree = {
            "llm": {
                "providers": entries,
                "default_provider": "good",
                "fallback_sequence": [name for name in CASES if name != "good"],
            }
        }
        config = config_file(tmp_path_factory.mktemp("tls"), tree)
        trusting = {"SSL_CERT_FILE": str(ISSUER)}
        async with server_process(config, environ=trusting) as process:
            yield process


@pytest.mark.parametrize("name", CASES)
async def test_the_log_names_what_is_wrong_and_the_remedy(server: ServerProcess, name: str) -> None:
    _, _, remedy = CASES[name]
    await eventually(lambda: len(server.events("server.answers")) == len(CASES))
    (said,) = [
        str(line["detail"])
        for line in server.events("server.answers")
        if str(line["detail"]).startswith(f"{name} ")
    ]

    assert remedy in said
    assert "ollama serve" not in said


@pytest.mark.parametrize("name", CASES)
async def test_the_caller_is_told_too(server: ServerProcess, name: str) -> None:
    _, cause, _ = CASES[name]
    request = chat_message()
    request.routing_policy.targets.append(llm_pb2.RouteTarget(provider=name))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = llm_pb2_grpc.LLMServiceStub(channel)
        if name == "good":
            assert "hi" == (await stub.Chat(request)).message.parts[0].text
            return
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Chat(request)
    failure = told(failed.value)

    assert cause == failure.metadata.get("cause", "")
    assert ("certificate" in failure.message) == cause.startswith("certificate")


async def test_health_says_why_a_provider_is_not_there(server: ServerProcess) -> None:
    def changes() -> dict[object, object]:
        return {line["name"]: line.get("detail") for line in server.events("provider.changed")}

    await eventually(lambda: len(changes()) == len(CASES))

    assert {name: cause for name, (_, cause, _) in CASES.items() if cause} == {
        name: detail for name, detail in changes().items() if detail
    }
