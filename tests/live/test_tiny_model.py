"""The models that the other tests rest on, asked directly."""

import pytest

from tests.live.subject import Subject
from tests.live.tiny_models import ENDLESS, PLAIN, SILENT, input_tokens

pytestmark = pytest.mark.live


async def test_it_says_its_script_and_stops(scripted: Subject) -> None:
    reply = await scripted.api.chat(PLAIN.name, "hi")

    assert (PLAIN.script.text, "stop") == (reply.text, reply.done_reason)
    assert len(PLAIN.script.words) + 1 == reply.output_tokens  # the end counts


async def test_its_prompts_can_be_counted(scripted: Subject) -> None:
    reply = await scripted.api.chat(PLAIN.name, "¿qué?")

    assert input_tokens(("user", "¿qué?")) == reply.prompt_tokens


async def test_a_ring_goes_on_until_the_limit(scripted: Subject) -> None:
    reply = await scripted.api.chat(ENDLESS.name, "hi")

    assert (ENDLESS.script.text * 2)[: len(reply.text)] == reply.text
    assert (100, "length") == (reply.output_tokens, reply.done_reason)


async def test_silence_is_an_answer_of_one_token(scripted: Subject) -> None:
    reply = await scripted.api.chat(SILENT.name, "hi")

    assert ("", "stop", 1) == (reply.text, reply.done_reason, reply.output_tokens)
