"""Where a chat may run. Pure: states of addresses in, a choice out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.endpoint import Endpoint
from llmsvc_server.upstreams.placement import Cold, find_cold, find_usable, place
from tests.fakes.chances import STEADY


@dataclass(kw_only=True)
class Site:
    """An address that is up, with the model in memory, idle and well, unless said otherwise."""

    up: bool = True
    lacks: bool = False
    refused_s: float | None = None
    loaded: bool = True
    loading: bool = False
    is_troubled: bool = False
    load: float = 0.0

    @property
    def facts(self) -> Self:
        return self

    @property
    def loads(self) -> Self:
        return self

    def has(self, model: str) -> bool:
        return self.up and not (model and self.lacks)

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        assert model
        if self.refused_s is None or only_candidate:
            return None
        return ProviderError(ErrorKind.OPEN, called=False, retry_after_s=self.refused_s)

    def is_loaded(self, model: str) -> bool:
        assert model
        return self.loaded

    def is_loading(self, model: str) -> bool:
        assert model
        return self.loading

    def has_room(self, model: str) -> bool:
        assert model
        return self.load < 1


def at(*sites: Site) -> Sequence[Endpoint]:
    """Return the same as what they stand for."""
    return cast("Sequence[Endpoint]", list(sites))


def choose(
    *sites: Site,
    loads_first: bool = True,
    only_candidate: bool = False,
    rng: random.Random = STEADY,
) -> object:
    return place(at(*sites), "m", only_candidate=only_candidate, loads_first=loads_first, rng=rng)


@pytest.mark.parametrize(
    ("sites", "chosen"),
    [
        ([Site()], 0),
        ([Site(up=False), Site()], 1),
        ([Site(refused_s=5), Site()], 1),
        ([Site(loaded=False), Site()], 1),
        ([Site(is_troubled=True), Site()], 1),
        ([Site(is_troubled=True)], 0),
        ([Site(load=0.5), Site(load=0.25)], 1),
        ([Site(load=1), Site()], 1),
        # In memory goes before trouble, trouble before business.
        ([Site(loaded=False), Site(is_troubled=True)], 1),
        ([Site(is_troubled=True), Site(load=0.9)], 1),
    ],
)
def test_the_best_that_is_free_is_taken(sites: list[Site], chosen: int) -> None:
    assert sites[chosen] is choose(*sites)


@pytest.mark.parametrize(
    "sites",
    [
        [Site(load=1)],
        [Site(load=1), Site(load=1)],
        [Site(load=1), Site(loaded=False)],
        [Site(load=1), Site(is_troubled=True)],
    ],
)
def test_a_better_one_that_is_full_is_waited_for(sites: list[Site]) -> None:
    assert choose(*sites) is None


def test_equals_are_taken_by_chance() -> None:
    sites = [Site(load=0.5), Site(load=0.5), Site(load=0.75)]
    rng = random.Random(7)  # noqa: S311  seeded, so that the test can foresee it
    chosen = {id(choose(*sites, rng=rng)) for _ in range(100)}

    assert {id(sites[0]), id(sites[1])} == chosen


@pytest.mark.parametrize(
    ("sites", "where"),
    [
        ([Site(loaded=False)], 0),
        ([Site(loaded=False), Site(loaded=False, loading=True, is_troubled=True)], 1),
        ([Site(loaded=False, is_troubled=True), Site(loaded=False, load=0.5)], 1),
        ([Site(loaded=False, load=1), Site(loaded=False)], 1),
        ([Site(loaded=False), Site(refused_s=1)], 0),
    ],
)
def test_a_model_that_is_nowhere_in_memory_is_loaded_first(sites: list[Site], where: int) -> None:
    assert Cold(at(*sites)[where]) == choose(*sites)


def test_who_has_waited_for_a_load_is_run_even_where_it_has_gone_again() -> None:
    cold = Site(loaded=False)

    assert cold is choose(cold, loads_first=False)


def test_where_nobody_may_be_called_the_soonest_end_of_that_is_told() -> None:
    refusal = choose(Site(refused_s=9), Site(refused_s=5), Site(up=False))

    assert isinstance(refusal, ProviderError)
    assert 5 == refusal.retry_after_s


def test_where_nobody_is_up_it_cannot_be_reached() -> None:
    refusal = find_usable(at(Site(up=False)), "m", only_candidate=True)

    assert isinstance(refusal, ProviderError)
    assert (ErrorKind.CONNECT, False) == (refusal.kind, refusal.called)


@pytest.mark.parametrize(
    ("sites", "kind"),
    [
        ([Site(lacks=True), Site(lacks=True)], ErrorKind.MODEL_MISSING),
        ([Site(lacks=True), Site(up=False)], ErrorKind.CONNECT),
    ],
)
def test_who_is_up_and_lacks_the_model_is_not_out_of_reach(
    sites: Sequence[Site], kind: ErrorKind
) -> None:
    refusal = choose(*sites)

    assert isinstance(refusal, ProviderError)
    assert (kind, False) == (refusal.kind, refusal.called)


def test_who_is_alone_is_asked_as_such() -> None:
    site = Site(refused_s=5)

    assert site is choose(site, only_candidate=True)
    assert at(site) == find_usable(at(site), "m", only_candidate=True)


def test_a_second_place_for_a_model_is_where_it_is_cold() -> None:
    warm, cold, down = Site(), Site(loaded=False), Site(loaded=False, up=False)

    found: object = find_cold(at(warm, down, cold), "m", only_candidate=False)

    assert cold is found
    assert find_cold(at(warm, down), "m", only_candidate=False) is None
    assert find_cold(at(down), "m", only_candidate=False) is None
