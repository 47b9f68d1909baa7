"""Chat and ChatStream through the service, with a real Ollama behind it."""

import itertools

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.requests import chat_message
from tests.live.service import Service
from tests.live.subject import FEW_TOKENS, GREETING, STORY, Subject
from tests.live.tiny_models import PLAIN, SILENT, input_tokens

pytestmark = pytest.mark.live

ANSWERED_S = 120.0  # a person's own model may have to be loaded first


ROLES = {
    "system": llm_pb2.ROLE_SYSTEM,
    "user": llm_pb2.ROLE_USER,
    "assistant": llm_pb2.ROLE_ASSISTANT,
}


def turn(role: str, text: str) -> llm_pb2.Message:
    return llm_pb2.Message(role=ROLES[role], parts=[llm_pb2.ContentPart(text=text)])


def text_of(answer: llm_pb2.ChatResponse) -> str:
    return "".join(part.text for part in answer.message.parts)


@pytest.fixture
def greeting_wanted() -> llm_pb2.ChatRequest:
    """Return what `talking` models were asked directly."""
    request = chat_message(GREETING)
    request.generation_config.max_output_tokens = FEW_TOKENS
    request.generation_config.temperature = 0
    return request


async def test_a_chat_is_answered(
    served: Service, talking: Subject, greeting_wanted: llm_pb2.ChatRequest
) -> None:
    answer = await served.chat(greeting_wanted, within_s=ANSWERED_S)

    assert text_of(answer).strip()
    assert llm_pb2.ROLE_ASSISTANT == answer.message.role
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert llm_pb2.PROVIDER_KIND_OLLAMA == answer.route.provider_kind
    assert llm_pb2.LOCALITY_LOCAL == answer.route.locality
    assert answer.route.model.startswith(talking.model)


@pytest.mark.usefixtures("talking")
async def test_a_stream_has_its_events_in_order_and_its_whole_text(
    served: Service, greeting_wanted: llm_pb2.ChatRequest
) -> None:
    greeting_wanted.stream_options.final_message_included = True
    stream = await served.stream(greeting_wanted, within_s=ANSWERED_S)

    assert ["started", "delta", "completed"] == [
        kind for kind, _ in itertools.groupby(stream.kinds)
    ]
    assert text_of(stream.completed) == stream.text
    assert stream.text.strip()


async def test_both_say_what_the_model_says(served: Service, scripted: Subject) -> None:
    request = chat_message(model=scripted.model)
    stream = await served.stream(request, within_s=ANSWERED_S)
    answer = await served.chat(request, within_s=ANSWERED_S)

    assert PLAIN.script.text == stream.text == text_of(answer)
    for end in (stream.completed, answer):
        assert llm_pb2.FINISH_REASON_STOP == end.finish_reason
        assert len(PLAIN.script.words) + 1 == end.usage.output_tokens


@pytest.mark.usefixtures("scripted")
async def test_every_turn_reaches_the_model(served: Service) -> None:
    turns = [("system", "Be kind."), ("user", "hi"), ("assistant", "Hi!"), ("user", "¿qué?")]
    request = llm_pb2.ChatRequest(messages=[turn(role, text) for role, text in turns])
    answer = await served.chat(request, within_s=ANSWERED_S)

    assert input_tokens(*turns) == answer.usage.input_tokens
    assert llm_pb2.TOKEN_COUNT_METHOD_REPORTED == answer.usage.input_method


@pytest.mark.usefixtures("scripted")
async def test_an_empty_answer_is_an_answer(served: Service) -> None:
    request = chat_message(model=SILENT.name)
    stream = await served.stream(request, within_s=ANSWERED_S)
    answer = await served.chat(request, within_s=ANSWERED_S)

    assert ("started", "completed") == stream.kinds
    assert "" == text_of(answer)
    assert llm_pb2.FINISH_REASON_STOP == answer.finish_reason


@pytest.mark.usefixtures("lasting")
async def test_max_output_tokens_ends_an_answer(served: Service) -> None:
    request = chat_message(STORY)
    request.generation_config.max_output_tokens = 5
    answer = await served.chat(request, within_s=ANSWERED_S)

    assert llm_pb2.FINISH_REASON_MAX_TOKENS == answer.finish_reason
    assert 5 == answer.usage.output_tokens


@pytest.mark.usefixtures("scripted")
async def test_a_stop_sequence_ends_an_answer_and_is_not_part_of_it(served: Service) -> None:
    request = chat_message()
    request.generation_config.stop_sequences.extend(["no such words", " because air"])
    stream = await served.stream(request, within_s=ANSWERED_S)

    assert "The sky looks blue" == stream.text
    assert stream.completed.finish_reason in {
        llm_pb2.FINISH_REASON_STOP,  # Ollama does not tell the two apart
        llm_pb2.FINISH_REASON_STOP_SEQUENCE,
    }


async def test_one_seed_gives_one_answer(served: Service) -> None:
    request = chat_message("Name a colour.")
    request.generation_config.seed = 42
    request.generation_config.max_output_tokens = 20
    answers = {text_of(await served.chat(request, within_s=ANSWERED_S)) for _ in range(2)}

    assert 1 == len(answers)
