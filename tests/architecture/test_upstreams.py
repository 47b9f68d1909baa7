"""The parts of `upstreams/` keep state and answer questions; nobody is called back (ADR-052)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HERE = Path("server/llmsvc_server/upstreams")
OWNERS = ("pool.py", "upstream.py")
MAX_LINES = 300
REGISTERS = re.compile(r"^(set|tell|on|subscribe|register|notify)_|_(with|callback|listener)$")

# What changes after it was made, and has to say how it stands.
STATEFUL = {
    "Blocks",
    "CircuitBreaker",
    "Endpoint",
    "LatencyStats",
    "Lease",
    "Loads",
    "Pool",
    "Silence",
    "Turns",
    "Upstream",
    "WaitQueue",
    "WedgeDetector",
}


@cache
def parsed(file: Path) -> ast.Module:
    """Return a file's tree."""
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(root: Path) -> list[Path]:
    """Return the files of the package."""
    return sorted((root / HERE).glob("*.py"))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield all functions and methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_part_is_given_something_to_call(files: list[Path]) -> None:
    named = [
        f"{file.name}:{node.lineno}"
        for file in files
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Name | ast.Attribute | ast.alias)
        and "Callable" in {getattr(node, key, "") for key in ("id", "attr", "name")}
    ]

    assert [] == named


def test_nobody_registers_with_anybody(files: list[Path]) -> None:
    named = [
        f"{file.name}:{function.lineno} {function.name}"
        for file in files
        for function in functions(parsed(file))
        if REGISTERS.search(function.name)
    ]

    assert [] == named


def test_no_part_knows_its_owner(files: list[Path]) -> None:
    owners = {name.removesuffix(".py") for name in OWNERS}
    imports = [
        f"{file.name} {node.module}"
        for file in files
        if file.name not in OWNERS
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] in owners
    ]

    assert [] == imports


def test_one_function_decides_who_may_go_and_only_its_owner_calls_it(files: list[Path]) -> None:
    calls = {
        file.name
        for file in files
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr == "_assign"
    }

    assert {"pool.py"} == calls


def test_what_has_a_state_says_it(files: list[Path]) -> None:
    says = {
        node.name
        for file in files
        for node in parsed(file).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == "__repr__" for one in node.body)
    }

    assert says >= STATEFUL


def test_the_way_through_fits_on_a_few_pages(files: list[Path]) -> None:
    lines = {file.name: file.read_text(encoding="utf-8").count("\n") for file in files}

    assert {} == {name: count for name, count in lines.items() if count >= MAX_LINES}


def test_nothing_stands_between_the_router_and_an_upstreams_attempt(root: Path) -> None:
    seams = [
        file.name
        for package in ("routing", "upstreams")
        for file in (root / "server/llmsvc_server" / package).glob("*.py")
        for function in functions(parsed(file))
        if function.name == "stream_chat"
    ]

    assert [] == seams
