"""Environment variables: which are settings, which belong to others, and which are mistakes."""

import difflib
import json
import re
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from llmsvc_server.config.keys import (
    DELIMITER,
    ENTRIES,
    PREFIX,
    Path,
    environment_name,
    find,
    is_list,
    is_map,
    keys,
    sections,
)
from llmsvc_server.config.merged import Source
from llmsvc_server.config.problems import Problem
from llmsvc_server.config.providers import PROVIDER_KINDS
from llmsvc_server.config.words import escape_halves

CONFIG_FILE = "LLMSVC_CONFIG"
"""Variable that names the configuration file."""

_OTHERS = re.compile(r"LLMSVC_(CONFIG|(LIVE|CLIENT)_.*)")
"""Ours, but no settings of the server: the tests' and the client's."""

_QUOTED = re.compile(r"\s*(?:\".*\"|'.*'|\u201c.*\u201d|\u2018.*\u2019)\s*", re.DOTALL)
"""A value in quotation marks: no setting is one."""

_SERVICE_LINK = re.compile(
    r"LLMSVC(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
_SERVICE_PORT = re.compile(r"LLMSVC(_\w+)?_PORT")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://.*")


def is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes puts such a variable into pods beside a Service.

    It does so for every Service of the namespace, and ours may be called llmsvc or, say,
    llmsvc-headless. A bare `..._PORT` counts only with the address that Kubernetes writes there:
    a person who writes `LLMSVC_PORT=50052` means a setting, and has to learn its name.

    Source: Kubernetes, "Service", environment variables (the names follow Docker's legacy links).
    """
    if _SERVICE_LINK.fullmatch(name):
        return True
    return bool(_SERVICE_PORT.fullmatch(name) and _SERVICE_URL.fullmatch(value))


_ALSO_CALLED = dict.fromkeys(("LLMSVC_SERVER_PORT", "LLMSVC_SERVER__PORT"), ("server", "listen"))
"""What people write for a setting that no spelling leads to."""


def read_environment(environ: Mapping[str, str]) -> Source:
    """Return what the environment says. Lists and maps are JSON; `null` and `~` mean null, as in YAML.

    Args:
        environ: All variables; those without our prefix are not looked at.
    """
    values: dict[Path, object] = {}
    names: dict[Path, str] = {}
    problems: list[Problem] = []
    for name, text in environ.items():
        if not name.upper().startswith(PREFIX) or _OTHERS.fullmatch(name):
            continue
        path = tuple(name[len(PREFIX) :].lower().split(DELIMITER))
        field = find(path)
        if field is None or name != environment_name(path):
            if not is_service_link(name, text):
                problems.append(_unknown_problem(name, path))
            continue
        shape = list if is_list(field) else dict if is_map(field) else None
        if shape is None and _QUOTED.fullmatch(text):
            problems.append(_quotation_problem(name, path))
            continue
        value = _parse_plain(text) if shape is None else _parse_json(text, shape)
        if isinstance(value, _NotInShape):
            problems.append(_json_problem(name, path, field))
            continue
        values[path] = value
        names[path] = name
    return Source(values=values, origins=names, places=names, problems=tuple(problems))


def _quotation_problem(name: str, path: Path) -> Problem:
    what = "stands in quotation marks, which belong to the value here"
    remedy = "write it without them: docker --env-file keeps them, unlike a shell"
    return Problem(where=name, path=".".join(path), what=what, remedy=remedy)


class _NotInShape:
    """Marks a value that is not the JSON it has to be, where None is a value too."""


def _parse_json(value: str, shape: type) -> object:
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        return _NotInShape()
    return parsed if isinstance(parsed, shape) else _NotInShape()


def _parse_plain(value: str) -> str | None:
    return None if value in {"null", "~"} else escape_halves(value)


def _json_problem(name: str, path: Path, field: FieldInfo) -> Problem:
    what = "not a list in JSON" if is_list(field) else "not a map in JSON"
    example = json.dumps(next(iter(field.examples or ()), None))
    remedy = f"write for example {name}='{example}'"
    return Problem(where=name, path=".".join(path), what=what, remedy=remedy)


def _unknown_problem(name: str, path: Path) -> Problem:
    if path in sections() or path[:-1] == ENTRIES or path == ENTRIES:
        what = "a group of settings, which no variable sets as a whole"
        return Problem(where=name, path="", what=what, remedy=f"set {_below(path)}")
    known = [environment_name(place) for place in (*keys(), *_keys_of_entry(path))]
    place = path if find(path) else _ALSO_CALLED.get(name.upper())
    if place is not None:
        remedy = f"did you mean {environment_name(place)}?"
    elif meant := next((other for other in known if other.endswith(_ending(path))), None):
        remedy = f"did you mean {meant}?"
    elif close := difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.7):
        remedy = f"did you mean {close[0]}?"
    else:
        remedy = f"remove it, or write a name such as {environment_name(('server', 'listen'))}"
    return Problem(where=name, path="", what="unknown variable", remedy=remedy)


def _ending(path: Path) -> str:
    """Return the end of the names that set something of the same name elsewhere."""
    return f"{DELIMITER}{path[-1].upper()}"


def _below(path: Path) -> str:
    """Return an example of a variable that sets one key of a group."""
    entry = path if path[:-1] == ENTRIES else (*ENTRIES, "ollama")
    places = (*keys(), *_keys_of_entry((*entry, "")))
    inside = (place for place in places if place[: len(path)] == path)
    return environment_name(next(inside, ("server", "listen")))


def _keys_of_entry(path: Path) -> tuple[Path, ...]:
    """Return the keys that the entry around `path` may have."""
    if path[: len(ENTRIES)] != ENTRIES or len(path) <= len(ENTRIES):
        return ()
    entry = path[: len(ENTRIES) + 1]
    return tuple((*entry, key) for kind in PROVIDER_KINDS.values() for key in kind.model_fields)
