"""Where settings come from: defaults, below a YAML file, below the environment.

What stands above beats what stands below, and yet lifts no ceiling of it. Keys that are no settings
come last, from files and from the vendors' variables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from llmsvc_server.config.ceilings import followed
from llmsvc_server.config.credentials import with_keys
from llmsvc_server.config.environment import CONFIG_FILE, Variables, read_environment
from llmsvc_server.config.keys import ENTRIES, Path, leaves
from llmsvc_server.config.llm import LlmSettings
from llmsvc_server.config.problems import ConfigInvalid, Problem, translated, unknown_key
from llmsvc_server.config.section import is_blank
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.words import located
from llmsvc_server.config.yaml_file import FileContent, read_file

BUILT_IN = "built-in defaults"
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings that may be used, and where they came from.

    Attributes:
        settings: The effective settings.
        source: Path of the file, or "built-in defaults".
        origins: Dotted path of each effective setting -> "default", path of the file, or name of
            the variable; of a key also the file that holds nothing else.
        unfollowed: What a source asked for and did not get, a sentence each.
    """

    settings: Settings
    source: str
    origins: Mapping[str, str]
    unfollowed: tuple[str, ...] = ()


def load(config_path: str | None, environ: Mapping[str, str]) -> Loaded:
    """Return the effective settings.

    Args:
        config_path: YAML file; None for the one that LLMSVC_CONFIG names, or none at all.
        environ: The environment's variables.

    Raises:
        ConfigInvalid: With everything that is wrong.
    """
    by_variable = config_path is None
    path = environ.get(CONFIG_FILE) if by_variable else config_path
    named_by = CONFIG_FILE if by_variable else "--config"
    file = FileContent(tree={}) if path is None else read_file(path, named_by=named_by)
    asked = read_environment(environ)
    problems = [*file.problems, *asked.problems]
    if file.tree is None:
        raise ConfigInvalid(problems)
    variables = followed(asked, file.tree)
    for place, value in variables.values.items():
        _put(file.tree, place, value)
    said = _Said(path or "", file, variables)
    settings = _validated(file.tree, said, problems)
    if settings is None:
        raise ConfigInvalid(problems)
    settings, keys, problems = with_keys(settings, environ, said.where)
    problems = problems or list(_nobody(settings.llm, said))
    if problems:
        raise ConfigInvalid(problems)
    origins = {
        ".".join(place): keys.get(place) or said.origin(place) for place, _ in leaves(settings)
    }
    return Loaded(
        settings=settings,
        source=BUILT_IN if path is None else path,
        origins=origins,
        unfollowed=tuple(
            f"{name} is not followed: null would lift {'.'.join(place)}, which"
            f" {located(said.where(place))} sets; change it there"
            for place, name in asked.names.items()
            if place not in variables.names
        ),
    )


def _put(tree: dict[str, object], path: Path, value: object) -> None:
    """Lay a value over a tree. Where the tree holds no group, it stays: validation says so."""
    for name in path[:-1]:
        if is_blank(tree.get(name)):
            tree[name] = {}
        below = tree[name]
        if not isinstance(below, dict):
            return
        tree = below
    tree[path[-1]] = value


def _validated(tree: dict[str, object], said: "_Said", problems: list[Problem]) -> Settings | None:
    """Return the settings, or None after adding to `problems` what is wrong with them."""
    known = {name: value for name, value in tree.items() if name in Settings.model_fields}
    problems += [
        unknown_key((name,), said.where((name,)), ()) for name in tree if name not in known
    ]
    settings = None
    try:
        settings = Settings.model_validate(known)
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = translated(error, said.where, said.mention)
        problems += [problem for problem in found if problem.path not in told]
    return None if problems else settings


def _nobody(llm: LlmSettings, said: "_Said") -> Iterator[Problem]:
    """Yield what is wrong if the sequence holds nobody who may be asked."""
    if llm.candidates:
        return
    ceiling = located(said.where(("llm", "privacy")))
    why = [f"{name} {llm.inactive[name]}" for name in llm.sequence if name in llm.inactive]
    why += [
        f"{name} is a cloud, and llm.privacy is local_only by {ceiling}"
        for name in llm.sequence
        if name in llm.withheld_by_privacy
    ]
    place = ("llm", "fallback_sequence" if llm.fallback_sequence else "default_provider")
    what = "nobody in the sequence can be asked"
    yield Problem(where=said.where(place), path=".".join(place), what=what, remedy="; ".join(why))


class _Said:
    """Who said what."""

    def __init__(self, path: str, file: FileContent, variables: Variables) -> None:
        self._path = path
        self._lines = file.lines
        self._tree = file.tree
        self._names = variables.names

    def origin(self, place: Path) -> str:
        """Return which source gave the setting at `place`."""
        if name := self._names.get(place):
            return name
        return self._path if place in self._lines else DEFAULT

    def where(self, place: Path) -> str:
        """Return whom to blame for what is wrong at `place`; "" if nobody said a thing."""
        if name := self._names.get(place):
            return name
        if line := self._lines.get(place):
            return f"{self._path}:{line}"
        for path, name in self._names.items():
            if place and path[: len(place)] == place:
                return name
        if place[:-1] == ENTRIES and (mention := self.mention(place[-1])):
            return self.where(mention)
        return self.where(place[:-1]) if place else self._path

    def mention(self, entry: str) -> Path | None:
        """Return where an entry is named that nobody wrote; None if somebody did write it."""
        place = (*ENTRIES, entry)
        if place in self._lines or any(path[:-1] == place for path in self._names):
            return None
        llm = (self._tree or {}).get("llm")
        named = llm if isinstance(llm, dict) else {}
        names: dict[Path, object] = {("llm", "default_provider"): named.get("default_provider")}
        for index, name in enumerate(named.get("fallback_sequence") or ()):
            names["llm", "fallback_sequence", str(index)] = name
        return next((path for path, name in names.items() if name == entry), None)
