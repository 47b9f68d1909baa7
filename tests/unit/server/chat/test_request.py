import dataclasses

import pytest

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.features import Features, ResponseFormat, Tool, ToolChoice
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.chat.value import value


def request_about(text: str) -> ChatRequest:
    return ChatRequest(
        model="phi3",
        messages=(Message(role=Role.USER, parts=(text, text)),),
        sampling=Sampling(temperature=0.5, stop_sequences=(text,)),
        delivery=Delivery.WHOLE,
    )


@pytest.mark.parametrize(
    ("asked", "most", "tokens"), [(None, 8192, 8192), (1, 8192, 1), (100, 100, 100), (99, 100, 99)]
)
def test_a_limit_within_the_servers_is_used_as_it_is(
    asked: int | None, most: int, tokens: int
) -> None:
    sampling = Sampling(max_output_tokens=asked)

    assert (tokens, ()) == (sampling.limit(most), sampling.report_limit(tokens))


def test_a_larger_limit_is_brought_down_and_that_is_told() -> None:
    clamped = Adjustment(
        field="generation_config.max_output_tokens",
        action=Action.CLAMPED,
        description="Brought down to 100, the limit for the model.",
    )

    sampling = Sampling(max_output_tokens=101)

    assert (100, (clamped,)) == (sampling.limit(100), sampling.report_limit(100))


def test_a_message_is_its_parts_in_order() -> None:
    assert "one" == Message(role=Role.USER, parts=("one",)).text
    assert "onetwo" == Message(role=Role.USER, parts=("one", "", "two")).text


@value
class NewerRequest(ChatRequest):
    """A request with a field that nobody thought of."""

    tools: tuple[str, ...] = ()


def test_another_model_changes_nothing_else() -> None:
    fields = dataclasses.fields(ChatRequest)
    request = NewerRequest(**{one.name: object() for one in fields}, tools=("weather",))  # type: ignore[arg-type]  # told apart only
    other = request.for_model("llama3.2:latest", stays_local=False)

    assert ("llama3.2:latest", False) == (other.model, other.stays_local)
    assert dataclasses.replace(request, model=other.model, stays_local=False) == other
    assert other is other.for_model("llama3.2:latest", stays_local=False)


def test_the_length_of_a_request_is_that_of_all_its_texts() -> None:
    messages = (*request_about("hi").messages, Message(role=Role.USER, parts=("a", "", "bc")))

    assert 7 == dataclasses.replace(request_about("hi"), messages=messages).text_length


def test_tools_that_may_be_called_are_read_too_and_a_format_is_not() -> None:
    tools = (Tool(name="ab", description="c", parameters_json_schema="{}"), Tool(name="left out"))
    features = Features(
        tools=tools,
        choice=ToolChoice(allowed=("ab",)),
        response_format=ResponseFormat(json_schema="{" + " " * 99 + "}"),
    )
    request = dataclasses.replace(request_about("hi"), features=features, is_plain=False)

    assert request_about("hi").text_length + 5 == request.text_length


def test_no_request_shows_what_is_in_it() -> None:
    request = request_about("secret")

    assert "secret" not in f"{request!r} {request.messages[0]!r} {request.sampling!r} {request}"
    assert "phi3" in repr(request)
