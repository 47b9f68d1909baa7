"""What one source rules out, no later one allows again."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from llmsvc_server.config.environment import Variables
from llmsvc_server.config.keys import Path

CEILINGS: frozenset[Path] = frozenset({("llm", "privacy")})
"""Settings that are a promise while they are not null: a later source's null takes nothing back.

The others describe the service, and a later source may describe it anew: where it listens, who is
asked, which networks are the operator's. Under a promise that stands none of them loosens it.
"""


def followed(variables: Variables, tree: Mapping[str, object]) -> Variables:
    """Return the variables without those that would take a promise of the file back.

    What the file says counts whether it is valid or not: a promise that is misspelt is to be
    refused, not passed over.
    """
    lifting = {
        place
        for place in CEILINGS & variables.values.keys()
        if variables.values[place] is None and _value_at(tree, place) is not None
    }
    return replace(
        variables,
        values={place: one for place, one in variables.values.items() if place not in lifting},
        names={place: one for place, one in variables.names.items() if place not in lifting},
    )


def _value_at(tree: object, place: Iterable[str]) -> object:
    for name in place:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
