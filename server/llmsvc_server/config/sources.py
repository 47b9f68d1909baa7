"""Where settings come from: defaults, below a YAML file, below the environment.

What stands above beats what stands below, and yet lifts no ceiling of it. Keys that are no settings
come last, from files and from the vendors' variables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from llmsvc_server.config.credentials import read_keys
from llmsvc_server.config.environment import CONFIG_FILE, read_environment
from llmsvc_server.config.keys import leaves
from llmsvc_server.config.llm import LlmSettings
from llmsvc_server.config.merged import Merged, Source
from llmsvc_server.config.problems import ConfigInvalid, Problem, translate, unknown_key
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.words import format_location
from llmsvc_server.config.yaml_file import read_file

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
    file = Source() if path is None else read_file(path, named_by=named_by)
    environment = read_environment(environ)
    problems = [*file.problems, *environment.problems]
    if not file.is_readable:
        raise ConfigInvalid(problems)
    merged = Merged((file, environment))
    settings = _validate(merged, problems)
    if settings is None:
        raise ConfigInvalid(problems)
    keys = read_keys(settings, environ, merged.where)
    settings = _add_keys(settings, keys)
    if problems := list(keys.problems or _check_candidates(settings.llm, merged)):
        raise ConfigInvalid(problems)
    return Loaded(
        settings=settings,
        source=BUILT_IN if path is None else path,
        origins={
            ".".join(place): keys.origins.get(place) or merged.origin(place) or DEFAULT
            for place, _ in leaves(settings)
        },
        unfollowed=tuple(
            f"{name} is not followed: null would lift {'.'.join(place)}, which"
            f" {format_location(merged.where(place))} sets; change it there"
            for place, name in merged.unfollowed.items()
        ),
    )


def _add_keys(settings: Settings, keys: Source) -> Settings:
    entries = dict(settings.llm.providers)
    for (*_, name, key), value in keys.values.items():
        entries[name] = entries[name].model_copy(update={key: value})
    llm = settings.llm.model_copy(update={"providers": entries})
    return settings.model_copy(update={"llm": llm})


def _validate(merged: Merged, problems: list[Problem]) -> Settings | None:
    """Return the settings, or None after adding to `problems` what is wrong with them."""
    known = {name: value for name, value in merged.tree.items() if name in Settings.model_fields}
    problems += [
        unknown_key((name,), merged.where((name,)), ()) for name in merged.tree if name not in known
    ]
    settings = None
    try:
        settings = Settings.model_validate(known)
    except ValidationError as error:
        reported = {problem.path for problem in problems}
        found = translate(error, merged.where, merged.mention)
        problems += [problem for problem in found if problem.path not in reported]
    return None if problems else settings


def _check_candidates(llm: LlmSettings, merged: Merged) -> Iterator[Problem]:
    """Yield what is wrong if the sequence holds nobody who may be asked."""
    if llm.candidates:
        return
    ceiling = format_location(merged.where(("llm", "privacy")))
    why = [f"{name} {llm.inactive[name]}" for name in llm.sequence if name in llm.inactive]
    why += [
        f"{name} is a cloud, and llm.privacy is local_only by {ceiling}"
        for name in llm.sequence
        if name in llm.withheld_by_privacy
    ]
    place = ("llm", "fallback_sequence" if llm.fallback_sequence else "default_provider")
    what = "nobody in the sequence can be asked"
    yield Problem(where=merged.where(place), path=".".join(place), what=what, remedy="; ".join(why))
