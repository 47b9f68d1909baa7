"""Keys that no setting holds: from files, and from the vendors' usual variables."""

from collections.abc import Callable, Mapping

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from llmsvc_server.config.files import read_bytes
from llmsvc_server.config.keyed import KeyedSettings, clean_key
from llmsvc_server.config.keys import ENTRIES, Path
from llmsvc_server.config.merged import Source
from llmsvc_server.config.problems import Problem
from llmsvc_server.config.settings import Settings

_MAX_BYTES = 65_536
_ALONE = "put the key there, and nothing else"


def read_keys(
    settings: Settings, environ: Mapping[str, str], where: Callable[[Path], str]
) -> Source:
    """Return the keys that entries lack. Under `local_only` no key of a cloud is looked for.

    Args:
        settings: Names the files.
        environ: The environment's variables.
        where: Tells which source is to blame for a place.
    """
    withheld = settings.llm.withheld_by_privacy
    values: dict[Path, SecretStr] = {}
    origins: dict[Path, str] = {}
    problems: list[Problem] = []
    for name, entry in settings.llm.providers.items():
        if name in withheld or not isinstance(entry, KeyedSettings) or entry.api_key is not None:
            continue
        place = asked_for_at = (*ENTRIES, name, "api_key")
        if source := entry.api_key_file:
            asked_for_at = (*ENTRIES, name, "api_key_file")
            key, what, remedy = _read_key(source)
            blamed = where(asked_for_at)
        else:
            source = blamed = entry.key_variable
            key, what, remedy = _check(environ.get(source, ""))
        if what:
            dotted = ".".join(asked_for_at)
            problems.append(Problem(where=blamed, path=dotted, what=what, remedy=remedy))
        elif key:
            values[place] = SecretStr(key)
            origins[place] = source
    return Source(values=values, origins=origins, places=origins, problems=tuple(problems))


def _read_key(path: str) -> tuple[str, str, str]:
    """Return a file's key, or "" with what is wrong and the remedy."""
    try:
        text = read_bytes(path, _MAX_BYTES).decode()
    except UnicodeDecodeError:
        return "", f"{path} is not text", _ALONE
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return "", f"{path} can't be read: {reason}", _ALONE
    key, what, remedy = _check(text)
    if what:
        return "", f"{path} {what}", remedy
    return (key, "", "") if key else ("", f"{path} is empty", _ALONE)


def _check(text: str) -> tuple[str, str, str]:
    try:
        return clean_key(text) or "", "", ""
    except PydanticCustomError as error:
        facts = error.context or {}
        return "", facts["what"], facts["remedy"]
