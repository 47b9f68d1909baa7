"""What each source of settings says, and what they say together."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmsvc_server.config.keys import ENTRIES, Path
from llmsvc_server.config.problems import Problem
from llmsvc_server.config.section import is_blank

CEILINGS: frozenset[Path] = frozenset({("llm", "privacy")})
"""Settings that are a promise while they are not null: a later source's null takes nothing back.

What an earlier source says counts whether it is valid or not: a promise that is misspelt is to be
refused, not passed over. The others describe the service, and a later source may describe it anew:
where it listens, who is asked, which networks are the operator's. Under a promise that stands none
of them loosens it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file, the environment, or files and variables of keys say.

    Attributes:
        values: By the place of a setting, or of a whole group: a text, a list, a map, or None for
            null. Numbers are texts too: what a value has to be, the settings know. Nothing behind a
            key is an empty text, which only a group takes for null.
        origins: File or variable that gave what stands at each place.
        places: The same as problems tell it: with the line, if there is one.
        problems: What could not be read.
        is_readable: Whether anything could be. If not, nobody knows what is meant.
    """

    values: Mapping[Path, object] = field(default_factory=dict)
    origins: Mapping[Path, str] = field(default_factory=dict)
    places: Mapping[Path, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    is_readable: bool = True


class Merged:
    """What sources say together, the strongest last, and who said what.

    Attributes:
        tree: The settings as they were given.
        unfollowed: Variable that asked for null where that would lift a ceiling, by place.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        """Lay each source over those before it."""
        self.tree: dict[str, object] = {}
        self.unfollowed: dict[Path, str] = {}
        self._origins: ChainMap[Path, str] = ChainMap()
        self._places: ChainMap[Path, str] = ChainMap()
        for source in sources:
            lifting = set()
            for place, value in source.values.items():
                if place in CEILINGS and value is None and self._value_at(place) is not None:
                    lifting.add(place)
                    self.unfollowed[place] = source.origins[place]
                else:
                    self._put(place, value)
            self._origins.maps.insert(0, _drop(source.origins, lifting))
            self._places.maps.insert(0, _drop(source.places, lifting))

    def origin(self, place: Path) -> str:
        """Return file or variable that gave the setting at `place`; "" if none did."""
        return self._origins.get(place, "")

    def where(self, place: Path) -> str:
        """Return whom to blame for what is wrong at `place`; "" if nobody said a thing."""
        if found := self._places.get(place) or self._below(place):
            return found
        if place[:-1] == ENTRIES and (mention := self.mention(place[-1])):
            return self.where(mention)
        return self.where(place[:-1]) if place else ""

    def mention(self, entry: str) -> Path | None:
        """Return where an entry is named that nobody wrote; None if somebody did write it."""
        if self._below((*ENTRIES, entry)):
            return None
        llm = self.tree.get("llm")
        named = llm if isinstance(llm, dict) else {}
        names: dict[Path, object] = {("llm", "default_provider"): named.get("default_provider")}
        for index, name in enumerate(named.get("fallback_sequence") or ()):
            names["llm", "fallback_sequence", str(index)] = name
        return next((path for path, name in names.items() if name == entry), None)

    def _below(self, place: Path) -> str:
        """Return who said what stands at a place or below; "" if nobody did, or for the root."""
        depth = len(place)
        found = (found for path, found in self._places.items() if path[:depth] == place)
        return next(found, "") if place else ""

    def _put(self, path: Path, value: object) -> None:
        """Lay a value over the tree. Where that holds no group, it stays: validation says so."""
        tree = self.tree
        for name in path[:-1]:
            if is_blank(tree.get(name)):
                tree[name] = {}
            below = tree[name]
            if not isinstance(below, dict):
                return
            tree = below
        tree[path[-1]] = value

    def _value_at(self, place: Path) -> object:
        tree: object = self.tree
        for name in place:
            tree = tree.get(name) if isinstance(tree, Mapping) else None
        return tree


def _drop(origins: Mapping[Path, str], places: Iterable[Path]) -> dict[Path, str]:
    return {place: one for place, one in origins.items() if place not in places}
