"""The adapter of OpenAI-compatible servers, as the list of features knows providers."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from llmsvc_server.chat.route import Locality
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.conformance.features import Asked, Calls, FeatureSubject, Says
from tests.conformance.subjects import MODEL
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Script, done, finish, piece, role, token, tool_call, usage


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function
    type: str


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, str]] | None
    refusal: str = ""
    tool_calls: list[_Call] = []
    tool_call_id: str = ""


class _Tool(msgspec.Struct):
    function: _Function
    type: str


class _Body(msgspec.Struct):
    messages: list[_Message]
    tools: list[_Tool] = []
    response_format: object = None


class OpenaiSubject:
    """The adapter on a fake server, which gives calls in pieces."""

    declines = True

    def __init__(self, provider: OpenaiProvider, fake: FakeOpenai) -> None:
        """Instruct `fake`."""
        self.provider = provider
        self._fake = fake

    def will(self, says: Sequence[Says]) -> None:
        """Have the model write that next."""
        steps: list[Script] = [role()]
        calls = 0
        for one in says:
            if isinstance(one, str):
                steps.append(token(one))
            elif not isinstance(one, Calls):
                steps.append(piece({"refusal": one.words}))
            else:
                steps.append(tool_call(one.name, one.arguments, call_id=one.id, index=calls))
                calls += 1
        reason = "tool_calls" if calls else "stop"
        self._fake.will(*steps, finish(reason), usage(), done())

    def asked(self) -> Asked:
        """Return what of the last request reached the fake."""
        sent = msgspec.json.decode(self._fake.chats[-1].body, type=_Body)
        return Asked(
            tools=tuple(tool.function.name for tool in sent.tools),
            calls=tuple(
                (call.id, call.function.name, call.function.arguments)
                for one in sent.messages
                for call in one.tool_calls
            ),
            results=tuple(
                (one.tool_call_id, _said(one).removeprefix("Error: "), "Error: " in _said(one))
                for one in sent.messages
                if one.role == "tool"
            ),
            has_format=sent.response_format is not None,
            said=tuple(_said(one) for one in sent.messages if one.role == "assistant"),
        )


def _said(message: _Message) -> str:
    content = message.content or ""
    if isinstance(content, list):
        assert all(part.keys() == {"type", "refusal"} for part in content)
        content = "".join(part["refusal"] for part in content)
    return content + message.refusal


def over_openai(
    locality: Locality, *, is_openai: bool = False
) -> Callable[[], AbstractAsyncContextManager[FeatureSubject]]:
    """Return a factory of the adapter on a fake server, an engine or a service."""

    @asynccontextmanager
    async def made() -> AsyncIterator[FeatureSubject]:
        async with (
            FakeOpenai(models=(MODEL,)) as fake,
            openai_at(fake.base_url, locality=locality, is_openai=is_openai) as adapter,
        ):
            yield OpenaiSubject(adapter, fake)

    return made
