from dataclasses import replace

import pytest

from llmsvc_server.chat.request import Routing
from llmsvc_server.errors import ProviderError, ProviderNotFound
from llmsvc_server.failures import ErrorKind
from tests.fakes.scripted_provider import catalogue_of
from tests.unit.server.routing.candidates import named
from tests.unit.server.routing.plans import (
    LOCAL_ONLY,
    cloud,
    local,
    planned,
    scripted,
    seen,
)


async def test_without_a_model_each_runs_its_own() -> None:
    made = await planned(local("ollama", "phi3:mini"), cloud("openai", "gpt"))

    assert [("ollama", "phi3:mini"), ("openai", "gpt")] == seen(made)


async def test_the_first_ones_own_model_stands_for_everybodys() -> None:
    made = await planned(local("ollama", "phi3"), cloud("openai", "gpt"), model="PHI3:latest")

    assert [("ollama", "phi3"), ("openai", "gpt")] == seen(made)


async def test_any_other_model_runs_where_it_is_listed_or_has_an_alias() -> None:
    made = await planned(
        local("ollama", "phi3", "llama3"),
        cloud("openai", "gpt", aliases={"llama3": "gpt-large"}),
        cloud("claude", "haiku"),
        cloud("any", "m", aliases={"*": "whatever"}),
        model="llama3",
    )

    assert [
        ("ollama", "llama3"),
        ("openai", "gpt-large"),
        ("claude", ErrorKind.MODEL_MISSING),
        ("any", "whatever"),
    ] == seen(made)


async def test_nobodys_typo_is_answered_by_something_else() -> None:
    made = await planned(local("ollama", "phi3"), cloud("openai", "gpt"), model="phi33")

    assert [("ollama", ErrorKind.MODEL_MISSING), ("openai", ErrorKind.MODEL_MISSING)] == seen(made)


async def test_a_first_one_that_lists_nothing_is_believed_to_have_what_is_named() -> None:
    made = await planned(cloud("openai", "gpt"), local("ollama", "phi3"), model="gpt-new")

    assert [("openai", "gpt-new"), ("ollama", ErrorKind.MODEL_MISSING)] == seen(made)


async def test_a_narrowed_one_runs_its_own_and_its_aliases_models_only() -> None:
    narrow = cloud("openai", "gpt", aliases={"a": "gpt-a"}, configured_only=True)

    assert [("openai", ErrorKind.MODEL_MISSING)] == seen(await planned(narrow, model="gpt-new"))
    assert [("openai", "gpt-a")] == seen(await planned(narrow, model="a"))


async def test_a_missing_configured_model_comes_with_its_name_to_pull() -> None:
    target = local("ollama", "phi3")
    scripted(target).listing = catalogue_of([])
    (missing,) = (await planned(target)).entries

    assert isinstance(missing, ProviderError)
    assert missing.kind is ErrorKind.MODEL_MISSING
    assert "phi3" == missing.pull_hint


async def test_a_missing_model_comes_with_what_could_be_named_instead() -> None:
    pool = local("ollama", "phi3", "llama3")
    narrow = local("spare", "qwen", "gemma", aliases={"a": "gone"}, configured_only=True)
    hosted = cloud("openai", "gpt", aliases={"b": "gpt-b"})
    missing, *_ = (await planned(pool, narrow, hosted, model="typo")).entries

    assert isinstance(missing, ProviderError)
    assert missing.kind is ErrorKind.MODEL_MISSING
    assert ["phi3", "llama3", "qwen", "gpt", "gpt-b"] == list(missing.present)


async def test_before_the_first_look_nothing_is_sent() -> None:
    (unknown,) = (await planned(local("ollama", "phi3"), looked=False)).entries

    assert isinstance(unknown, ProviderError)
    assert unknown.kind is ErrorKind.CONNECT
    assert not unknown.called


async def test_targets_of_a_request_replace_the_sequence_in_their_order() -> None:
    made = await planned(
        local("ollama", "phi3", "llama3"),
        cloud("openai", "gpt"),
        others=(cloud("claude", "haiku"),),
        routing=named(("claude", ""), ("ollama", "llama3"), ("openai", "gpt-new")),
    )

    assert [("claude", "haiku"), ("ollama", "llama3"), ("openai", "gpt-new")] == seen(made)


async def test_a_target_without_a_provider_is_whoever_has_the_model() -> None:
    made = await planned(
        local("ollama", "phi3", "llama3"),
        local("spare", "qwen"),
        routing=named(("", "llama3")),
    )

    assert [("ollama", "llama3"), ("spare", ErrorKind.MODEL_MISSING)] == seen(made)


async def test_a_target_without_a_model_runs_the_requests() -> None:
    made = await planned(
        local("ollama", "phi3"),
        cloud("openai", "gpt", aliases={"x": "gpt-x"}),
        model="x",
        routing=named(("openai", "")),
    )

    assert [("openai", "gpt-x")] == seen(made)


async def test_an_unknown_provider_is_not_found() -> None:
    with pytest.raises(ProviderNotFound) as caught:
        await planned(local("ollama", "phi3"), routing=named(("nobody", "")))

    assert "nobody" == caught.value.name


async def test_an_alias_of_the_primarys_own_model_goes_before_the_targets_own() -> None:
    made = await planned(
        local("ollama", "phi3"),
        cloud("openai", "gpt", aliases={"phi3": "gpt-small"}),
        model="phi3:latest",
    )

    assert [("ollama", "phi3"), ("openai", "gpt-small")] == seen(made)


async def test_a_model_that_is_there_goes_before_an_alias_for_all() -> None:
    made = await planned(
        local("ollama", "phi3"),
        local("spare", "qwen", "llama3", aliases={"*": "qwen"}),
        cloud("openai", "gpt", aliases={"*": "gpt-large"}),
        model="llama3",
    )

    assert [
        ("ollama", ErrorKind.MODEL_MISSING),
        ("spare", "llama3"),
        ("openai", "gpt-large"),
    ] == seen(made)


async def test_the_primarys_own_model_runs_wherever_it_is_there() -> None:
    made = await planned(
        local("ollama", "phi3"), local("spare", "qwen", "phi3"), cloud("x", "y"), model="phi3"
    )

    assert [("ollama", "phi3"), ("spare", "phi3"), ("x", "y")] == seen(made)


async def test_a_missing_own_model_is_not_replaced_by_the_alias_for_all() -> None:
    target = local("ollama", "phi3", "big", aliases={"*": "big"})
    scripted(target).listing = catalogue_of(["big"])

    assert [("ollama", ErrorKind.MODEL_MISSING)] == seen(await planned(target, model="phi3"))


async def test_a_target_without_any_model_of_its_own_needs_one() -> None:
    bare = cloud("openai", "")

    assert [("openai", ErrorKind.MODEL_MISSING)] == seen(await planned(bare))
    assert [("openai", "gpt")] == seen(await planned(bare, model="gpt"))


async def test_each_target_is_asked_once_however_often_it_is_named() -> None:
    made = await planned(
        local("ollama", "phi3", "llama3"),
        cloud("openai", "gpt"),
        routing=named(("openai", ""), ("ollama", "phi3:latest"), ("openai", "gpt"), ("", "")),
    )

    assert [("openai", "gpt"), ("ollama", "phi3")] == seen(made)


async def test_a_model_without_a_provider_is_not_sent_to_whoever_may_not_have_it() -> None:
    made = await planned(
        local("ollama", "phi3"), cloud("openai", "gpt"), routing=named(("", "llama3"))
    )

    assert [("ollama", ErrorKind.MODEL_MISSING), ("openai", ErrorKind.MODEL_MISSING)] == seen(made)


@pytest.mark.parametrize(
    ("routing", "expected", "is_cut"),
    [
        (Routing(), [("openai", "gpt")], True),
        (
            Routing(privacy=LOCAL_ONLY),
            [("openai", ErrorKind.REMOTE_REFUSED), ("ollama", "phi3")],
            True,
        ),
        (named(("spare", "")), [("spare", "qwen")], False),
        (named(("spare", ""), ("spare", "qwen")), [("spare", "qwen")], False),
        (named(("ollama", ""), ("spare", "nope")), [("ollama", "phi3")], False),
        (named(("ollama", "nope"), ("openai", "")), [("ollama", ErrorKind.MODEL_MISSING)], True),
    ],
)
async def test_without_failover_the_first_permitted_one_is_asked_only(
    routing: Routing, expected: list[tuple[str, str]], *, is_cut: bool
) -> None:
    made = await planned(
        cloud("openai", "gpt"),
        local("ollama", "phi3"),
        local("spare", "qwen"),
        routing=replace(routing, fallback_disabled=True),
    )

    assert expected == seen(made)
    assert is_cut is made.is_cut


async def test_without_failover_a_model_is_still_looked_for() -> None:
    made = await planned(
        local("ollama", "phi3"),
        local("spare", "qwen"),
        cloud("openai", "gpt", aliases={"*": "gpt"}),
        model="qwen",
        routing=Routing(fallback_disabled=True),
    )

    assert [("ollama", ErrorKind.MODEL_MISSING), ("spare", "qwen")] == seen(made)
    assert made.is_cut


async def test_without_failover_a_missing_own_model_is_no_reason_to_ask_another() -> None:
    target = local("ollama", "phi3")
    scripted(target).listing = catalogue_of([])
    made = await planned(target, local("x", "y"), routing=Routing(fallback_disabled=True))

    assert [("ollama", ErrorKind.MODEL_MISSING)] == seen(made)
    assert made.is_cut


@pytest.mark.parametrize(
    ("model", "routing", "names_target"),
    [
        ("", Routing(), False),
        ("phi3:latest", Routing(), False),
        ("llama3", Routing(), True),
        ("", named(("ollama", "")), True),
    ],
)
async def test_a_request_names_a_target_or_leaves_it_open(
    model: str, routing: Routing, *, names_target: bool
) -> None:
    made = await planned(local("ollama", "phi3"), model=model, routing=routing)

    assert names_target is made.names_target


async def test_a_prompt_beyond_a_known_window_is_not_even_sent() -> None:
    made = await planned(
        local("ollama", "phi3", window_tokens=10), cloud("openai", "gpt"), text="x" * 100
    )
    first, _ = made.entries

    assert isinstance(first, ProviderError)
    assert first.kind is ErrorKind.CONTEXT
    assert 10 == first.context_length
    assert [("ollama", ErrorKind.CONTEXT), ("openai", "gpt")] == seen(made)
