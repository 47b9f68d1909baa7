"""Which models of a long list are known."""

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.shortlist import MAX_REMOTE, Shortlist


def shortlist(*entries: str, keeps_remote: bool = False) -> Shortlist:
    """Return one with room for two, made from names; those of remote models end in "@"."""
    made = Shortlist(2, frozenset({"w", None}), keeps_remote=keeps_remote)
    for entry in entries:
        _ = made.takes(entry.removesuffix("@"), is_remote=entry.endswith("@"))
    return made


@pytest.mark.parametrize(
    ("entries", "known", "left_out"),
    [
        ("", "", 0),
        ("ab", "ab", 0),
        ("abcd", "ab", 2),
        ("aaaabbbb", "ab", 0),
        ("abcdw", "wab", 2),
        ("wwab", "wab", 0),
    ],
)
def test_knows_the_first_and_what_is_wanted(entries: str, known: str, left_out: int) -> None:
    made = shortlist(*entries)

    assert (known, left_out) == ("".join(made.known), made.left_out)


@pytest.mark.parametrize("entries", [("a", "b", "c", "a@"), ("a@", "a", "b", "c@", "c@")])
def test_a_model_that_runs_elsewhere_is_not_known_wherever_the_list_says_so(
    entries: tuple[str, ...],
) -> None:
    made = shortlist(*entries)

    assert ["b"] == list(made.known)
    assert "a" in made.remote


def test_keeps_those_that_run_elsewhere_where_they_may_be_asked() -> None:
    made = shortlist("a@", "w@", "b", "c", keeps_remote=True)

    assert ["w", "a", "b"] == list(made.known)
    assert {"a", "w"} == made.remote


def test_no_server_has_so_many_models_elsewhere() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        shortlist(*(f"m{number}@" for number in range(MAX_REMOTE + 1)))
