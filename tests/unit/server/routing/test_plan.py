from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest

from llmsvc_server.chat.request import SERVERS_ROUTING, Routing
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind
from llmsvc_server.errors import (
    ContextTooLong,
    ModelNotFound,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnreachable,
    RouteForbidden,
)
from llmsvc_server.providers.abilities import ListsModels
from llmsvc_server.routing.plan import Candidate, Plan, Target, Targets, never_refuses, plan
from tests.fakes.assembled import everyday_patience
from tests.fakes.requests import chat_request
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.candidates import info_of, named

LOCAL_ONLY, ALLOWED = Privacy.LOCAL_ONLY, Privacy.CLOUD_ALLOWED


def local(name: str, model: str, *models: str, **more: object) -> Target:
    """Return a local provider that lists `models`, its own included."""
    info = ProviderInfo(name=name, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
    provider = ScriptedProvider(info=info, models=(model, *models))
    target = Target(provider=provider, default_model=model, patience=everyday_patience())
    return replace(target, **more)  # type: ignore[arg-type]  # fields of Target


def cloud(name: str, model: str, **more: object) -> Target:
    """Return a remote provider, which lists nothing."""
    target = Target(
        provider=ScriptedProvider(info=info_of(name)),
        default_model=model,
        is_listed=False,
        patience=everyday_patience(),
    )
    return replace(target, **more)  # type: ignore[arg-type]  # fields of Target


async def planned(  # noqa: PLR0913  what a call may vary, by keyword
    *sequence: Target,
    model: str = "",
    routing: Routing = SERVERS_ROUTING,
    others: tuple[Target, ...] = (),
    withheld: Mapping[str, ProviderError] | None = None,
    privacy: Privacy = ALLOWED,
    text: str = "hi",
    looked: bool = True,
) -> Plan:
    """Return the plan of one request."""
    sources = {
        target.provider.info.name: cast("ListsModels", target.provider)
        for target in (*sequence, *others)
        if target.is_listed
    }
    inventory = inventory_over(sources)
    for name in sources if looked else ():
        await inventory.refresh(name, name)
    targets = Targets(
        sequence=sequence,
        others={target.provider.info.name: target for target in others},
        withheld=withheld or {},
        privacy=privacy,
    )
    return plan(chat_request(text, model=model, routing=routing), targets, inventory)


def seen(made: Plan) -> list[tuple[str, str]]:
    """Return the provider and the model, or the failure's class, of each outcome."""
    told = []
    for outcome in made.outcomes:
        if isinstance(outcome, Candidate):
            told.append((outcome.info.name, outcome.model))
        else:
            assert outcome.provider is not None
            assert not outcome.called
            told.append((outcome.provider.name, type(outcome).__name__))
    return told


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
        ("claude", "ModelNotFound"),
        ("any", "whatever"),
    ] == seen(made)


async def test_nobodys_typo_is_answered_by_something_else() -> None:
    made = await planned(local("ollama", "phi3"), cloud("openai", "gpt"), model="phi33")

    assert [("ollama", "ModelNotFound"), ("openai", "ModelNotFound")] == seen(made)


async def test_a_first_one_that_lists_nothing_is_believed_to_have_what_is_named() -> None:
    made = await planned(cloud("openai", "gpt"), local("ollama", "phi3"), model="gpt-new")

    assert [("openai", "gpt-new"), ("ollama", "ModelNotFound")] == seen(made)


async def test_a_narrowed_one_runs_its_own_and_its_aliases_models_only() -> None:
    narrow = cloud("openai", "gpt", aliases={"a": "gpt-a"}, configured_only=True)

    assert [("openai", "ModelNotFound")] == seen(await planned(narrow, model="gpt-new"))
    assert [("openai", "gpt-a")] == seen(await planned(narrow, model="a"))


async def test_a_missing_configured_model_comes_with_its_name_to_pull() -> None:
    target = local("ollama", "phi3")
    target.provider.listing = catalogue_of([])  # type: ignore[attr-defined]  # a scripted one
    (missing,) = (await planned(target)).outcomes

    assert isinstance(missing, ModelNotFound)
    assert "phi3" == missing.pull_hint


async def test_before_the_first_look_nothing_is_sent() -> None:
    (unknown,) = (await planned(local("ollama", "phi3"), looked=False)).outcomes

    assert isinstance(unknown, ProviderUnreachable)
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

    assert [("ollama", "llama3"), ("spare", "ModelNotFound")] == seen(made)


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


async def test_without_failover_the_first_permitted_one_is_asked_only() -> None:
    made = await planned(
        cloud("openai", "gpt"),
        local("ollama", "phi3"),
        local("spare", "qwen"),
        routing=Routing(fallback_disabled=True, privacy=LOCAL_ONLY),
    )

    assert [("openai", "RouteForbidden"), ("ollama", "phi3")] == seen(made)
    assert made.is_cut


@pytest.mark.parametrize(
    ("operator", "asked", "mode", "cause"),
    [
        (ALLOWED, LOCAL_ONLY, LOCAL_ONLY, "request"),
        (LOCAL_ONLY, ALLOWED, LOCAL_ONLY, "operator"),
        (LOCAL_ONLY, None, LOCAL_ONLY, "operator"),
        (ALLOWED, None, ALLOWED, ""),
        (ALLOWED, ALLOWED, ALLOWED, ""),
    ],
)
async def test_the_stricter_policy_holds(
    operator: Privacy, asked: Privacy | None, mode: Privacy, cause: str
) -> None:
    made = await planned(
        local("ollama", "phi3"),
        cloud("openai", "gpt"),
        privacy=operator,
        routing=Routing(privacy=asked),
    )
    _, remote = made.outcomes

    assert mode is made.privacy
    if cause:
        assert isinstance(remote, RouteForbidden)
        assert cause == remote.cause
    else:
        assert isinstance(remote, Candidate)


async def test_who_is_withheld_is_so_only_where_it_is_named() -> None:
    kept = RouteForbidden(called=False, cause="operator")
    kept.provider = info_of("claude")
    silent = ProviderMisconfigured(called=False, cause="inactive")
    silent.provider = info_of("openai")
    withheld = {"claude": kept, "openai": silent}
    by_name = await planned(
        local("ollama", "phi3"), withheld=withheld, routing=named(("claude", ""), ("openai", ""))
    )

    assert [("ollama", "phi3")] == seen(await planned(local("ollama", "phi3"), withheld=withheld))
    assert [("claude", "RouteForbidden"), ("openai", "ProviderMisconfigured")] == seen(by_name)


@pytest.mark.parametrize(
    ("allows", "mode", "expected"),
    [
        (False, ALLOWED, "RouteForbidden"),
        (True, ALLOWED, "gpt:cloud"),
        (True, LOCAL_ONLY, "RouteForbidden"),
    ],
)
async def test_a_local_ones_remote_model_is_a_remote_target(
    mode: Privacy, expected: str, *, allows: bool
) -> None:
    target = local("ollama", "phi3", "gpt:cloud", allows_remote=allows)
    target.provider.listing = replace(  # type: ignore[attr-defined]  # a scripted one
        catalogue_of(["phi3", "gpt:cloud"]), remote=frozenset({"gpt:cloud"})
    )
    made = await planned(target, model="gpt:cloud", routing=Routing(privacy=mode))
    (outcome,) = made.outcomes

    assert [("ollama", expected)] == seen(made)
    assert outcome.info.locality is Locality.REMOTE if isinstance(outcome, Candidate) else True


async def test_a_prompt_beyond_a_known_window_is_not_even_sent() -> None:
    made = await planned(
        local("ollama", "phi3", window_tokens=10), cloud("openai", "gpt"), text="x" * 100
    )
    first, _ = made.outcomes

    assert isinstance(first, ContextTooLong)
    assert 10 == first.context_length
    assert [("ollama", "ContextTooLong"), ("openai", "gpt")] == seen(made)


def test_a_provider_without_breakers_refuses_nothing() -> None:
    assert never_refuses("m", sole=False) is None
