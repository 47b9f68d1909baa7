"""The Makefile as a person meets it: every verb explained, no recipe a program."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.architecture.command import run

MOST_COMMANDS = 3


@pytest.fixture(scope="module")
def makefile(root: Path) -> str:
    """Return the Makefile's text."""
    return (root / "Makefile").read_text(encoding="utf-8")


def verbs(makefile: str) -> set[str]:
    """Return what .PHONY names: all that is no file."""
    lines = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    return {verb for line in lines for verb in line.split()}


@pytest.fixture(scope="module")
def shown() -> str:
    """Return what bare `make` prints."""
    return run("make", env={**os.environ, "MAKEFLAGS": ""}).stdout


def test_bare_make_explains_every_verb(shown: str, makefile: str) -> None:
    explained = set(re.findall(r"^  ([a-z-]+) +\S", shown, re.MULTILINE))

    assert verbs(makefile) == explained


def test_help_fits_a_terminal_of_100_columns(shown: str) -> None:
    too_wide = [line for line in shown.splitlines() if len(line) > 100]

    assert not too_wide


def test_every_target_is_a_verb_or_a_file(makefile: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))

    assert verbs(makefile) == targets


def test_no_recipe_has_more_than_three_commands(makefile: str) -> None:
    recipes = re.findall(r"(?:^\t.*\n)+", makefile, re.MULTILINE)
    long = [recipe for recipe in recipes if recipe.count("\n") > MOST_COMMANDS]

    assert not long


@pytest.mark.parametrize(
    ("exists", "said"),
    [(True, "python old is 3.9.2"), (False, "python old was not found")],
    ids=["too old", "missing"],
)
def test_setup_says_in_one_line_which_python_it_needs(
    said: str, root: Path, tmp_path: Path, *, exists: bool
) -> None:
    if exists:
        python = tmp_path / "python old"
        # Tells its version, and answers every other question with "no".
        python.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.9.2;; *) exit 1;; esac\n')
        python.chmod(0o755)
    done = run(
        *("make", "-f", root / "Makefile", "setup", "PYTHON=python old"),
        cwd=project_without_environment(root, tmp_path),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )

    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "Python 3.11 or newer is needed" in line
    assert said in line


def test_this_python_has_no_problem() -> None:
    assert run("sh", ".ci/python-problem.sh", sys.executable).stdout == ""


def project_without_environment(root: Path, folder: Path) -> Path:
    """Return a fresh folder that holds what `make setup` reads, and no .venv."""
    project = folder / "project"
    (project / ".ci/locks").mkdir(parents=True)
    for name in (".ci/python-problem.sh", ".ci/setup.py", "pyproject.toml"):
        (project / name).write_bytes((root / name).read_bytes())
    return project


def recipes(verb: str, **variables: str) -> str:
    """Return the commands of a verb that run tests or hold floors, without running them."""
    said = run("make", "-n", verb, env={**os.environ, "MEASURE_ONCE": "", **variables}).stdout
    return "\n".join(line for line in said.splitlines() if "pytest" in line or "floors" in line)


def test_each_test_verb_is_complete_by_itself() -> None:
    assert "--cov" not in recipes("test")
    assert "pytest --quiet " in recipes("cov")
    assert "--cov-report=json:.coverage.json" in recipes("cov")


def test_ci_measures_the_tests_of_make_test_as_they_run(root: Path) -> None:
    once = {"MEASURE_ONCE": "1"}

    assert "export MEASURE_ONCE=1" in (root / ".ci/run").read_text(encoding="utf-8")
    assert "--cov-report=json:.coverage.json" in recipes("test", **once)
    assert recipes("cov", **once).endswith("coverage_floors.py .coverage.json")


@pytest.mark.parametrize("verb", ["cov", "docs-check", "deploy-check"])
def test_ci_runs_no_test_of_make_test_twice(verb: str) -> None:
    assert "pytest" in recipes(verb)
    assert "pytest" not in recipes(verb, MEASURE_ONCE="1")


@pytest.mark.parametrize(
    ("change", "code"),
    [("nothing", 0), ("a later change", 2), ("the file is gone", 2)],
)
def test_floors_are_held_on_a_report_of_this_code_only(
    change: str, code: int, root: Path, tmp_path: Path
) -> None:
    measured, report = tmp_path / "server/llmsvc_server/chat/fold.py", tmp_path / "report.json"
    measured.parent.mkdir(parents=True)
    counts = dict.fromkeys(("covered_lines", "num_statements", "covered_branches"), 1)
    files = {"server/llmsvc_server/chat/fold.py": {"summary": {**counts, "num_branches": 1}}}
    for path in (measured, report):
        path.write_text(json.dumps({"files": files}))
        os.utime(path, (1, 1))
    if change == "a later change":
        os.utime(measured, (2, 2))
    elif change == "the file is gone":
        measured.unlink()
    done = run(sys.executable, root / ".ci/coverage_floors.py", "report.json", cwd=tmp_path)

    assert code == done.returncode
    assert bool(code) == ("run `make cov`" in done.stderr)
