"""The providers that must pass the list of features. A new adapter is one more row of the table."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from llmsvc_server.chat.route import Locality
from llmsvc_server.providers.ollama.chat import OllamaProvider
from tests.conformance.anthropic_features import over_anthropic
from tests.conformance.features import Asked, Calls, FeatureSubject, Says
from tests.conformance.openai_features import over_openai
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_checks import Generation
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import Step, body, done, token


class _Arguments(msgspec.Struct):
    arguments: msgspec.Raw
    name: str


class _Call(msgspec.Struct):
    function: _Arguments
    id: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str
    tool_calls: list[_Call] = []
    tool_name: str = ""
    tool_call_id: str = ""


class _Tool(msgspec.Struct):
    function: dict[str, object]


class _Body(msgspec.Struct):
    messages: list[_Message]
    tools: list[_Tool] = []
    format: object = None


class OllamaSubject:
    """The adapter of Ollama on a fake one: whole calls on lines of their own."""

    declines = False

    def __init__(self, provider: OllamaProvider, fake: FakeOllama) -> None:
        """Instruct `fake`."""
        self.provider = provider
        self._fake = fake

    def will(self, says: Sequence[Says]) -> None:
        """Have the model write that next."""
        self._fake.will(*[self._step(one) for one in says], done())

    def asked(self) -> Asked:
        """Return what of the last request reached the fake."""
        sent = msgspec.json.decode(self._fake.chats[-1].body, type=_Body)
        return Asked(
            tools=tuple(str(tool.function["name"]) for tool in sent.tools),
            calls=tuple(
                (call.id, call.function.name, bytes(call.function.arguments).decode())
                for one in sent.messages
                for call in one.tool_calls
            ),
            results=tuple(
                (one.tool_call_id, one.content.removeprefix("Error: "), "Error: " in one.content)
                for one in sent.messages
                if one.role == "tool"
            ),
            has_format=sent.format is not None,
            said=tuple(one.content for one in sent.messages if one.role == "assistant"),
        )

    def _step(self, says: Says) -> Step:
        if not isinstance(says, Calls):
            return token(str(says))
        # As bytes: what they are as values is not what they are.
        return body(
            b'{"message":{"role":"assistant","content":"","tool_calls":['
            + _written(says)
            + b']},"done":false}\n'
        )


def _written(call: Calls) -> bytes:
    try:
        json.loads(call.arguments)
        arguments = call.arguments
    except ValueError:
        arguments = json.dumps(call.arguments)  # as servers do that pass for an Ollama
    id_ = f'"id":"{call.id}",' if call.id else ""
    return f'{{{id_}"function":{{"name":"{call.name}","arguments":{arguments}}}}}'.encode()


Factory = Callable[[], AbstractAsyncContextManager[FeatureSubject]]


def over_ollama(generation: Generation) -> Factory:
    """Return a factory of the adapter on a fake server of that generation."""

    @asynccontextmanager
    async def made() -> AsyncIterator[FeatureSubject]:
        able = Model(name=MODEL, capabilities=("completion", "tools"))
        async with (
            FakeOllama(models=(able,), loaded=(MODEL,), generation=generation) as fake,
            ollama_at(fake.base_url) as adapter,
        ):
            yield OllamaSubject(adapter, fake)

    return made


FEATURED: Mapping[str, Factory] = {
    "ollama 0.10.1": over_ollama(Generation.OLDEST),
    "ollama 0.24.0": over_ollama(Generation.OLD),
    "openai, an engine": over_openai(Locality.LOCAL),
    "openai, a service": over_openai(Locality.REMOTE),
    "anthropic": over_anthropic,
    "openai, the vendor": over_openai(Locality.REMOTE, is_openai=True),
}
