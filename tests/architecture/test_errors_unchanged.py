"""An error is complete when it is made: nothing in the server writes to one afterwards.

The type checker holds the same of ours, which are frozen to it; this sees those of others too.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

Scope = ast.FunctionDef | ast.AsyncFunctionDef

MAKING = {"__init__", "__post_init__"}

# Python's own, and taken away to let go: what was raised holds the frames of its call.
ALLOWED = {"__traceback__"}

# What is called so is one, whatever it says of its type.
NAMES = {"error", "failure", "deciding", "problem"}

SETTERS = {"setattr", "delattr", "__setattr__", "__delattr__"}

BUILT_IN = {
    name
    for name, one in vars(builtins).items()
    if isinstance(one, type) and issubclass(one, BaseException)
}


def last_name(node: ast.AST | None) -> str:
    """Return `c` of `a.b.c`; empty if it is no name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def classes(tree: ast.Module) -> list[ast.ClassDef]:
    """Return all classes of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def classes_of_errors(trees: list[ast.Module]) -> set[str]:
    """Return the names of all classes that can be raised, ours and Python's."""
    bases = {one.name: set(map(last_name, one.bases)) for tree in trees for one in classes(tree)}
    known = set(BUILT_IN)
    while more := {name for name, parents in bases.items() if parents & known} - known:
        known |= more
    return known


def is_error(annotation: ast.expr | None, errors: set[str]) -> bool:
    """Return whether an annotation is of an error itself, not of something that holds some."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return is_error(left, errors) or is_error(right, errors)
        case ast.Constant(value=str(text)):
            return is_error(ast.parse(text, mode="eval").body, errors)
        case _:
            name = last_name(annotation)
            return name in errors or name.endswith(("Error", "Exception"))


def names_of_errors(scope: Scope, errors: set[str]) -> Iterator[str]:
    """Yield the names that stand for an error somewhere in a function."""
    for node in ast.walk(scope):
        match node:
            case ast.ExceptHandler(name=str(name)):
                yield name
            case (
                ast.arg(arg=name, annotation=of)
                | ast.AnnAssign(target=ast.Name(id=name), annotation=of)
            ) if is_error(of, errors):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made)) if is_error(
                made, errors
            ):
                yield name
            case _:
                pass


def written(scope: ast.AST) -> Iterator[ast.Attribute]:
    """Yield the attributes that are assigned or deleted somewhere in a function."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


def set_by_name(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls in a function that set whatever attribute they are told to."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and last_name(node.func) in SETTERS:
            yield node


def changes(tree: ast.Module, errors: set[str]) -> Iterator[str]:
    """Yield what may be written to an error after its making, as "line code"."""
    makers = {
        id(method)
        for one in classes(tree)
        for method in one.body
        if one.name in errors and last_name_of_method(method) in MAKING
    }
    for scope in ast.walk(tree):
        if not isinstance(scope, Scope) or id(scope) in makers:
            continue
        names = NAMES | set(names_of_errors(scope, errors))
        for node in written(scope):
            if last_name(node.value) in names and node.attr not in ALLOWED:
                yield f"{node.lineno} {ast.unparse(node)}"
        for call in set_by_name(scope):
            yield f"{call.lineno} {ast.unparse(call)}"
    for one in classes(tree):
        if one.name in errors:
            yield from changes_by_itself(one)


def last_name_of_method(node: ast.stmt) -> str:
    """Return a method's name; empty for whatever else stands in a class."""
    return node.name if isinstance(node, Scope) else ""


def changes_by_itself(kind: ast.ClassDef) -> Iterator[str]:
    """Yield what an error's own methods write to it after its making."""
    for method in kind.body:
        if isinstance(method, Scope) and method.name not in MAKING:
            for node in written(method):
                if last_name(node.value) == "self":
                    yield f"{node.lineno} {ast.unparse(node)}"


def test_no_error_is_written_to_after_its_making(root: Path, sources: tuple[Path, ...]) -> None:
    trees = {
        file: ast.parse((root / file).read_text(encoding="utf-8"))
        for file in sources
        if file.parts[0] == "server"
    }
    errors = classes_of_errors(list(trees.values()))
    found = [f"{file}:{one}" for file, tree in trees.items() for one in changes(tree, errors)]

    assert "ProviderError" in errors
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(x: OurError) -> None:\n    x.phase = 'load'",
        "def f(x: 'Ours | None') -> None:\n    x.phase, x.row = 'load', ''",
        "def f() -> None:\n    x = Ours()\n    x.requests += 1",
        "def f() -> None:\n    try:\n        g()\n    except OSError as x:\n        del x.args",
        "def f(y: T) -> None:\n    y.failure.phase = 'load'",
        "def f(x: T) -> None:\n    setattr(x, 'phase', 'load')",
        "class More(Ours):\n    def f(self) -> None:\n        self.phase = 'load'",
    ],
)
def test_a_change_is_seen(code: str) -> None:
    tree = ast.parse(f"class Ours(Exception): ...\n{code}")

    assert [] != list(changes(tree, classes_of_errors([tree])))


@pytest.mark.parametrize(
    "code",
    [
        "def f(x: OurError) -> None:\n    x.__traceback__ = None",
        "def f(x: list[Ours]) -> None:\n    x.phase = 'load'",
        "class More(Ours):\n    def __init__(self) -> None:\n        self.phase = 'load'",
        "def f(x: Ours) -> T:\n    return replace(x, phase='load')",
    ],
)
def test_what_changes_no_error_is_not_taken_for_a_change(code: str) -> None:
    tree = ast.parse(f"class Ours(Exception): ...\n{code}")

    assert [] == list(changes(tree, classes_of_errors([tree])))
