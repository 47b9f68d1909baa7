"""What is in force, for people and for editors."""

import json
import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

from llmsvc_server.config.keys import ENTRIES, Path
from llmsvc_server.config.llm import ENTRY_NAME
from llmsvc_server.config.providers import PROVIDER_KINDS
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded
from llmsvc_server.config.words import format_location, format_value

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9./@_-]*(:[A-Za-z0-9./@_-]+)*")
_OTHER_TYPES = {"null", "true", "false", "yes", "no", "on", "off"}
_SOURCE_COLUMN = 52


def summary(loaded: Loaded) -> str:
    """Return in one line where the settings come from, and who is asked in which order."""
    candidates = loaded.settings.llm.candidates.items()
    order = ", then ".join(f"{name} ({entry.model})" for name, entry in candidates)
    return f"{format_location(loaded.source)}: asks {order}"


def show(loaded: Loaded) -> str:
    """Return the effective settings as YAML that loads as it is, each with its source behind it."""
    llm = loaded.settings.llm
    head = [f"# {summary(loaded)}", *(f"# {text}" for text in loaded.unfollowed)]
    head += [f"# {name} is left out: it {why}" for name, why in llm.inactive.items()]
    head += [
        f"# {name} is left out: nothing may leave the operator's network"
        for name in llm.withheld_by_privacy
    ]
    return "\n".join((*head, *_lines(loaded.settings, (), loaded.origins)))


def _lines(
    group: BaseModel | Mapping[str, object], place: Path, origins: Mapping[str, str]
) -> Iterator[str]:
    items = group.items() if isinstance(group, Mapping) else iter(group)
    for key, value in items:
        path = (*place, key)
        indent = "  " * len(place)
        if isinstance(value, BaseModel) or (path == ENTRIES and isinstance(value, Mapping)):
            yield f"{indent}{key}:"
            yield from _lines(value, path, origins)
            continue
        # A key is shown as a comment, so that what is shown still loads.
        is_key = isinstance(value, SecretStr)
        setting = f"{indent}# {key}: not shown" if is_key else f"{indent}{key}: {_yaml(value)}"
        yield f"{setting:<{_SOURCE_COLUMN}} # {format_location(origins['.'.join(path)])}"


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_yaml(key)}: {_yaml(one)}' for key, one in value.items())}}}"
    if not isinstance(value, str):
        return format_value(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _OTHER_TYPES:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def schema() -> str:
    """Return the JSON Schema of a configuration file.

    An entry's kind is its name's where nothing else is said, so names that are kinds are listed.
    """
    tree = Settings.model_json_schema()
    tree["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    refs = {kind: {"$ref": f"#/$defs/{cls.__name__}"} for kind, cls in PROVIDER_KINDS.items()}
    named = [{**ref, "required": ["kind"]} for ref in refs.values()]
    entries = tree["$defs"]["LlmSettings"]["properties"]["providers"]
    del entries["patternProperties"]
    entries["propertyNames"] = {"pattern": ENTRY_NAME, "maxLength": 64}
    entries["properties"] = refs
    entries["additionalProperties"] = {"oneOf": named}
    return json.dumps(tree, indent=2)
