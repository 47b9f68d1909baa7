"""Keys that no setting holds: from files, and from the vendors' usual variables."""

from collections.abc import Callable, Mapping

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from llmsvc_server.config.files import read_bytes
from llmsvc_server.config.keyed import KeyedSettings, clean_key
from llmsvc_server.config.keys import ENTRIES, Path
from llmsvc_server.config.problems import Problem
from llmsvc_server.config.providers import ProviderEntry
from llmsvc_server.config.settings import Settings

_MAX_BYTES = 65_536
_ALONE = "put the key there, and nothing else"


def with_keys(
    settings: Settings, environ: Mapping[str, str], where: Callable[[Path], str]
) -> tuple[Settings, Mapping[Path, str], list[Problem]]:
    """Return the settings with the keys that their entries lack.

    Under `local_only` no key of a cloud is looked for.

    Args:
        settings: Names the files.
        environ: The environment's variables.
        where: Tells which source is to blame for a place.

    Returns:
        The settings; file or variable that gave the key at each place; and what is wrong.
    """
    entries: dict[str, ProviderEntry] = dict(settings.llm.providers)
    withheld = settings.llm.withheld_by_privacy
    sources: dict[Path, str] = {}
    problems: list[Problem] = []
    for name, entry in settings.llm.providers.items():
        if name in withheld or not isinstance(entry, KeyedSettings):
            continue
        if entry.api_key is not None:
            continue
        place = (*ENTRIES, name, "api_key")
        if path := entry.api_key_file:
            source, place_of_source = path, (*ENTRIES, name, "api_key_file")
            key, what, remedy = _from_file(path)
            blamed = where(place_of_source)
        else:
            source, place_of_source, blamed = entry.key_variable, place, entry.key_variable
            key, what, remedy = _checked(environ.get(source, ""))
        if what:
            dotted = ".".join(place_of_source)
            problems.append(Problem(where=blamed, path=dotted, what=what, remedy=remedy))
        elif key:
            entries[name] = entry.model_copy(update={"api_key": SecretStr(key)})
            sources[place] = source
    llm = settings.llm.model_copy(update={"providers": entries})
    return settings.model_copy(update={"llm": llm}), sources, problems


def _from_file(path: str) -> tuple[str, str, str]:
    """Return a file's key, or "" with what is wrong and the remedy."""
    try:
        text = read_bytes(path, _MAX_BYTES).decode()
    except UnicodeDecodeError:
        return "", f"{path} is not text", _ALONE
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return "", f"{path} can't be read: {reason}", _ALONE
    key, what, remedy = _checked(text)
    if what:
        return "", f"{path} {what}", remedy
    return (key, "", "") if key else ("", f"{path} is empty", _ALONE)


def _checked(text: str) -> tuple[str, str, str]:
    try:
        return clean_key(text) or "", "", ""
    except PydanticCustomError as error:
        facts = error.context or {}
        return "", facts["what"], facts["remedy"]
