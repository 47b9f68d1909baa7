"""What no linter sees: calls that are banned everywhere but in one file, found in the syntax tree."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Call of one of these on a context after the end of its RPC crashes the process; callinfo.py
# copies what is needed at entry. Source: docs/facts/grpc-aio.md 1.
CONTEXT_ACCESSORS = {
    "auth_context",
    "invocation_metadata",
    "peer",
    "peer_identities",
    "peer_identity_key",
    "time_remaining",
}

OWNERS_OF_TASKS = {
    "server/llmsvc_server/app/tasks.py",
    "server/llmsvc_server/rpc/door/in_loop.py",  # one for each call, as grpc.aio does
}


@cache
def calls_and_imports(file: Path) -> tuple[ast.Call | ast.Import | ast.ImportFrom, ...]:
    """Return them in a file, which is read once however many rules ask."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return tuple(one for one in nodes if isinstance(one, ast.Call | ast.Import | ast.ImportFrom))


def calls(root: Path, file: Path, names: set[str]) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield each call of a name in a file: its node, what it is called on, and the name.

    For `asyncio.sleep(1)` that is "asyncio", "sleep"; for `f()` it is "", "f".
    """
    for node in calls_and_imports(root / file):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in names:
                yield node, ast.unparse(owner), name
            case ast.Call(func=ast.Name(id=name)) if name in names:
                yield node, "", name
            case _:
                pass


def found(
    root: Path, files: Iterator[Path], names: set[str], *, but_in: frozenset[str] = frozenset()
) -> list[str]:
    """Return where a banned name is called, as "file:line name"."""
    return [
        f"{file}:{node.lineno} {name}"
        for file in files
        if file.as_posix() not in but_in
        for node, _owner, name in calls(root, file, names)
    ]


def below(sources: tuple[Path, ...], *folders: str) -> Iterator[Path]:
    """Yield the sources below the folders named."""
    return (file for file in sources if file.parts[0] in folders)


def test_nobody_adds_done_callbacks(root: Path, sources: tuple[Path, ...]) -> None:
    # One counts what a call holds until its end, and touches nothing of the call then.
    only = frozenset({"server/llmsvc_server/rpc/unsent.py"})

    assert found(root, iter(sources), {"add_done_callback"}, but_in=only) == []


def test_only_call_info_touches_the_context(root: Path, sources: tuple[Path, ...]) -> None:
    server = below(sources, "server")
    # The in-loop door asks gRPC's objects for them: it is what answers there.
    answers = {f"server/llmsvc_server/rpc/door/{name}.py" for name in ("call", "in_loop")}
    only = frozenset({"server/llmsvc_server/rpc/callinfo.py", *answers})

    assert found(root, server, CONTEXT_ACCESSORS, but_in=only) == []


def test_the_server_has_no_grpc_client(root: Path, sources: tuple[Path, ...]) -> None:
    # Its poller would take the events of the in-loop door.
    channels = {"insecure_channel", "secure_channel", "intercept_channel"}

    assert found(root, below(sources, "server"), channels) == []


def test_only_owners_of_tasks_create_them(root: Path, sources: tuple[Path, ...]) -> None:
    # A TaskGroup's own create_task has an owner that waits; the loop's and asyncio's have none.
    orphans = [
        f"{file}:{node.lineno} {owner}.{name}"
        for file in below(sources, "server", "client")
        if file.as_posix() not in OWNERS_OF_TASKS
        for node, owner, name in calls(root, file, {"create_task", "ensure_future"})
        if not owner.endswith("group")
    ]

    assert orphans == []


def test_tests_do_not_sleep_to_wait(root: Path, sources: tuple[Path, ...]) -> None:
    # sleep(0) only lets others run. Fakes pace themselves; eventually() is what waits.
    tests = (file for file in below(sources, "tests") if file.name.startswith("test_"))
    waiting = [
        f"{file}:{node.lineno}"
        for file in tests
        for node, _owner, _name in calls(root, file, {"sleep"})
        if [ast.unparse(argument) for argument in node.args] != ["0"]
    ]

    assert waiting == []


def test_nobody_imports_mocks(root: Path, sources: tuple[Path, ...]) -> None:
    importing = [
        f"{file}:{node.lineno}"
        for file in sources
        for node in calls_and_imports(root / file)
        if isinstance(node, ast.Import | ast.ImportFrom)
        if "mock" in f"{ast.unparse(node)}.".replace(".", " ").split()
        and "unittest" in ast.unparse(node)
    ]

    assert importing == []


def test_tests_do_not_set_attributes_of_others(root: Path, sources: tuple[Path, ...]) -> None:
    tests = below(sources, "tests")
    patched = [
        f"{file}:{node.lineno}"
        for file in tests
        for node, owner, _name in calls(root, file, {"setattr", "setitem", "delattr"})
        if owner.endswith("monkeypatch")
    ]

    assert patched == []


def test_a_planted_call_is_found(tmp_path: Path) -> None:
    planted = Path("planted.py")
    (tmp_path / planted).write_text("def f(task, g):\n    task.add_done_callback(g)\n")
    where = found(tmp_path, iter([planted]), {"add_done_callback"})

    assert where == ["planted.py:2 add_done_callback"]
