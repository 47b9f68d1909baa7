from dataclasses import replace

import pytest

from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.health.verdict import ProviderFacts, Require, judge

READY = ("", "readiness", "llmsvc.v1.LLMService")


def of(
    name: str, kind: ProviderKind, model: str, locality: Locality = Locality.LOCAL
) -> ProviderFacts:
    """Return what is known of a provider that is up and has its default model."""
    return ProviderFacts(
        info=ProviderInfo(name=name, kind=kind, locality=locality),
        in_sequence=True,
        can_be_called=True,
        serves_default=True,
        ready=True,
        default_model=model,
        models={model: True},
    )


def down(fact: ProviderFacts) -> ProviderFacts:
    return replace(
        fact,
        can_be_called=False,
        serves_default=False,
        ready=False,
        models=dict.fromkeys(fact.models, False),
    )


UP = of("ollama", ProviderKind.OLLAMA, "phi3:mini")
OTHER = of("other", ProviderKind.OLLAMA, "phi3:mini")
MOCK = of("mock", ProviderKind.MOCK, "mock")
ELSEWHERE = of("there", ProviderKind.OLLAMA, "phi3:mini", Locality.REMOTE)
DOWN = down(UP)
WITHOUT_MODEL = replace(UP, serves_default=False, ready=False, models={})
FLAPPING = replace(down(UP), ready=True)
ON_REQUEST = replace(OTHER, in_sequence=False)


@pytest.mark.parametrize(
    ("known", "require", "ready"),
    [
        ([], Require.ANY, False),
        ([], Require.NONE, True),
        ([UP], Require.ANY, True),
        ([UP], Require.LOCAL, True),
        ([DOWN], Require.ANY, False),
        ([DOWN], Require.LOCAL, False),
        ([DOWN], Require.NONE, True),
        ([WITHOUT_MODEL], Require.ANY, False),
        ([DOWN, MOCK], Require.ANY, True),
        ([DOWN, MOCK], Require.LOCAL, True),
        ([DOWN, ELSEWHERE], Require.ANY, True),
        ([DOWN, ELSEWHERE], Require.LOCAL, False),
        ([ELSEWHERE, UP], Require.LOCAL, True),
        ([FLAPPING], Require.ANY, True),
        ([DOWN, ON_REQUEST], Require.ANY, False),
    ],
)
def test_readiness_asks_for_what_the_operator_requires(
    known: list[ProviderFacts], require: Require, *, ready: bool
) -> None:
    table = judge(known, require)

    assert [ready] * 3 == [table[name] for name in READY]


@pytest.mark.parametrize("known", [[], [DOWN], [UP]])
@pytest.mark.parametrize("require", Require)
def test_liveness_depends_on_nobody(known: list[ProviderFacts], require: Require) -> None:
    assert judge(known, require)["liveness"]


def test_each_provider_and_each_of_its_models_has_a_name() -> None:
    known = [replace(UP, models={"phi3:mini": True, "llama3.2:latest": True}), MOCK]
    expected = {
        *READY,
        "liveness",
        "provider/ollama",
        "provider/mock",
        "model/phi3:mini",
        "model/llama3.2:latest",
        "model/mock",
    }

    assert expected == judge(known, Require.ANY).keys()


def test_a_provider_serves_where_it_can_be_called_whatever_it_has() -> None:
    table = judge([WITHOUT_MODEL, down(OTHER)], Require.ANY)

    assert table["provider/ollama"]
    assert not table["provider/other"]


def test_a_breaker_that_is_open_shows_at_once_where_people_look() -> None:
    table = judge([FLAPPING], Require.ANY)

    assert (True, False, False) == (
        table["readiness"],
        table["provider/ollama"],
        table["model/phi3:mini"],
    )


def test_a_default_model_that_is_missing_has_a_name_and_does_not_serve() -> None:
    assert not judge([WITHOUT_MODEL], Require.ANY)["model/phi3:mini"]


def test_the_default_model_is_named_as_it_is_configured_and_as_it_is_listed() -> None:
    table = judge([replace(UP, default_model="phi3", models={"phi3:latest": True})], Require.ANY)

    assert table["model/phi3"]
    assert table["model/phi3:latest"]


def test_models_of_a_provider_that_is_down_do_not_serve() -> None:
    assert not judge([DOWN], Require.ANY)["model/phi3:mini"]


@pytest.mark.parametrize("known", [[UP, down(OTHER)], [down(OTHER), UP]])
def test_a_model_that_two_have_serves_as_long_as_one_can_be_called(
    known: list[ProviderFacts],
) -> None:
    assert judge(known, Require.ANY)["model/phi3:mini"]


def test_names_no_more_models_than_it_may_and_the_default_ones_first() -> None:
    many = {f"m{number}": True for number in range(10)}
    known = [replace(UP, models=many), replace(DOWN, default_model="last", models={"m9": False})]
    table = judge(known, Require.ANY, max_models=3)
    models = {name.removeprefix("model/") for name in table if name.startswith("model/")}

    assert {UP.default_model, "last", "m0", "m1", "m2"} == models
