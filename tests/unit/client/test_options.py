"""The options of a chat: one set, told in one place, the same for all who ask."""

import inspect
import pydoc
from collections.abc import Callable

import pytest

import llmsvc_client
from llmsvc_client import BlockingClient, ChatOptions, Client, StreamOptions

TAKEN: dict[Callable[..., object], type] = {
    Client.chat: ChatOptions,
    BlockingClient.chat: ChatOptions,
    Client.stream: StreamOptions,
    BlockingClient.stream: StreamOptions,
}


def test_a_stream_takes_all_options_of_a_whole_answer() -> None:
    assert {
        "progress_interval_s"
    } == StreamOptions.__optional_keys__ - ChatOptions.__optional_keys__
    assert ChatOptions.__optional_keys__ < StreamOptions.__optional_keys__


@pytest.mark.parametrize("method", TAKEN, ids=lambda method: method.__qualname__)
def test_help_of_a_call_names_the_set_of_its_options(method: Callable[..., object]) -> None:
    name = TAKEN[method].__name__
    told = pydoc.plain(pydoc.render_doc(method))

    assert f"help({name})" in told
    assert TAKEN[method] is getattr(llmsvc_client, name)
    assert ["self", "prompt", "options"] == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("option", sorted(StreamOptions.__optional_keys__))
def test_help_tells_each_option_in_one_place(option: str) -> None:
    places = [*TAKEN, ChatOptions, StreamOptions]
    entries = [line for place in places for line in pydoc.getdoc(place).splitlines()]

    assert 1 == sum(line.startswith(f"    {option}: ") for line in entries)


@pytest.mark.parametrize("name", ["modle", "progress_interval_s"])
def test_what_is_no_option_is_refused_with_the_list_of_those_that_are(name: str) -> None:
    wrong = {name: 5}
    with pytest.raises(TypeError, match=rf"chat\(\).*{name}.*fallback, model.*tools$"):
        BlockingClient("127.0.0.1:1").chat("hi", **wrong)  # type: ignore[arg-type]  # on purpose


def test_a_stream_refuses_what_is_no_option_when_it_is_made() -> None:
    with pytest.raises(TypeError, match=r"stream\(\).*'modle'.*progress_interval_s"):
        Client("127.0.0.1:1").stream("hi", modle="phi3:mini")  # type: ignore[call-arg]  # on purpose
