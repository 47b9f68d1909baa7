"""The adapter of Anthropic, as the list of features knows providers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from tests.conformance.features import Asked, Calls, FeatureSubject, Says
from tests.conformance.subjects import MODEL
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.anthropic_steps import (
    Script,
    block_start,
    block_stop,
    message_delta,
    message_start,
    message_stop,
    token,
    tool_use,
)
from tests.fakes.fake_anthropic import FakeAnthropic


class _Block(msgspec.Struct):
    type: str
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()
    text: str = ""
    tool_use_id: str = ""
    content: str = ""
    is_error: bool = False


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct, frozen=True):
    type: str = ""


class _Body(msgspec.Struct):
    messages: list[_Message]
    tools: list[_Tool] = []
    tool_choice: _Choice = _Choice()
    output_config: object = None


class AnthropicSubject:
    """The adapter on a fake server, which gives calls in pieces."""

    declines = False

    def __init__(self, provider: AnthropicProvider, fake: FakeAnthropic) -> None:
        """Instruct `fake`."""
        self.provider = provider
        self._fake = fake

    def will(self, says: Sequence[Says]) -> None:
        """Have the model write that next."""
        steps: list[Script] = [message_start()]
        calls = False
        for index, one in enumerate(says):
            if not isinstance(one, Calls):
                steps += block_start(index=index), token(str(one)), block_stop(index)
            else:
                at = len(one.arguments) // 2
                pieces = one.arguments[:at], one.arguments[at:]
                steps.append(tool_use(one.name, *pieces, call_id=one.id, index=index))
                calls = True
        reason = "tool_use" if calls else "end_turn"
        self._fake.will(*steps, message_delta(reason), message_stop())

    def asked(self) -> Asked:
        """Return what of the last request reached the fake."""
        sent = msgspec.json.decode(self._fake.chats[-1].body, type=_Body)
        blocks = [
            block
            for message in sent.messages
            if not isinstance(message.content, str)
            for block in message.content
        ]
        return Asked(
            tools=tuple(tool.name for tool in sent.tools if sent.tool_choice.type != "none"),
            calls=tuple(
                (block.id, block.name, bytes(block.input).decode())
                for block in blocks
                if block.type == "tool_use"
            ),
            results=tuple(
                (block.tool_use_id, block.content, block.is_error)
                for block in blocks
                if block.type == "tool_result"
            ),
            has_format=sent.output_config is not None,
            said=tuple(_said(one) for one in sent.messages if one.role == "assistant"),
        )


def _said(message: _Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(block.text for block in message.content)


@asynccontextmanager
async def over_anthropic() -> AsyncIterator[FeatureSubject]:
    """Give the adapter on a fake server."""
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as adapter:
        yield AnthropicSubject(adapter, fake)
