"""A YAML file, read strictly: no key twice, no tags, no aliases, no guessed types."""

import yaml

from llmsvc_server.config.files import read_bytes
from llmsvc_server.config.keys import Path
from llmsvc_server.config.merged import Source
from llmsvc_server.config.problems import Problem
from llmsvc_server.config.words import escape_halves

_MAX_BYTES = 262_144
_TAG = "tag:yaml.org,2002:"
_NULL = f"{_TAG}null"
_PLAIN_TAGS = {
    f"{_TAG}{name}"
    for name in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
}


def read_file(path: str, *, named_by: str) -> Source:
    """Return what a file says.

    Args:
        path: The file.
        named_by: Option or variable that names it.
    """
    if not path:
        return _unreadable_source(named_by, "names no file", "name one, or leave it out")
    try:
        data = read_bytes(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _unreadable_source(path, f"can't be read: {reason}", f"correct {named_by}")
    try:
        return _Reader(path).read(yaml.compose(data, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        where = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else path
        return _unreadable_source(
            where, f"not YAML: {error.problem}", "correct this line or one before"
        )
    except yaml.YAMLError:
        return _unreadable_source(path, "not text", "save it as UTF-8")
    except RecursionError:
        return _unreadable_source(path, "nested too deep", "settings have four levels")


def _unreadable_source(where: str, what: str, remedy: str) -> Source:
    problem = Problem(where=where, path="", what=what, remedy=remedy)
    return Source(is_readable=False, problems=(problem,))


class _Reader:
    """Turns the nodes of one file into a tree, and remembers where everything stood."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []
        self._seen: set[int] = set()

    def read(self, root: yaml.Node | None) -> Source:
        tree = {} if root is None else self._value(root, ())
        if tree is None:
            tree = {}
        if not isinstance(tree, dict):
            return _unreadable_source(
                self._file, "not a map of settings", "begin with a key such as llm:"
            )
        return Source(
            values={(name,): value for name, value in tree.items()},
            origins=dict.fromkeys(self._lines, self._file),
            places={(): self._file}
            | {path: f"{self._file}:{line}" for path, line in self._lines.items()},
            problems=tuple(self._problems),
        )

    def _value(self, node: yaml.Node, path: Path) -> object:
        line = node.start_mark.line + 1
        if id(node) in self._seen:
            # The node is the anchor's: what stands in its own line is the key, if there is one.
            line = self._lines.get(path) or self._lines.get(path[:-1], line)
            self._refuse(line, path, "an alias stands here", "write the value out")
            return None
        self._seen.add(id(node))
        if path:
            self._lines.setdefault(path, line)
        if node.tag not in _PLAIN_TAGS:
            self._refuse(line, path, "a tag stands here", "leave it out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._map(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self._value(item, (*path, str(index))) for index, item in items]
        return None if node.tag == _NULL and node.value else escape_halves(node.value)

    def _map(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(line, path, "a key is no text", "write key: value")
                continue
            here = (*path, escape_halves(key_node.value))
            if here[-1] in found:
                what = f"given twice, first in line {self._lines[here]}"
                self._refuse(line, here, what, "remove one")
                continue
            self._lines[here] = line
            found[here[-1]] = self._value(value_node, here)
        return found

    def _refuse(self, line: int, path: Path, what: str, remedy: str) -> None:
        where = f"{self._file}:{line}"
        self._problems.append(Problem(where=where, path=".".join(path), what=what, remedy=remedy))
