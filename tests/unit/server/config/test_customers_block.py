"""The block that the customer wrote, and what becomes of it when it is changed."""

import re
from pathlib import Path

import pytest

from llmsvc_server.config.providers import OllamaSettings
from llmsvc_server.config.sources import load
from tests.unit.server.config.loading import CUSTOMERS_BLOCK, loaded, problems

WITH_OLLAMA_ONLY = CUSTOMERS_BLOCK.replace("provider: openai", "provider: ollama").replace(
    "    - openai\n", ""
)
LEAVES = {
    "base_url": "llm.providers.ollama.base_url",
    "model": "llm.providers.ollama.model",
    "temperature": "llm.providers.ollama.temperature",
    "num_ctx": "llm.providers.ollama.num_ctx",
    "timeout": "llm.providers.ollama.timeout",
    "default_provider": "llm.default_provider",
}
HOSTILE_VALUES = (
    "",
    "~",
    "true",
    "-1",
    "0",
    "0x10",
    "1_000",
    "1e400",
    ".nan",
    "-.inf",
    "12:30:00",
    "2024-01-01",
    "9" * 5_000,
    "''",
    "some words",
    '"\\0"',
    '"\\ud800"',
    "[]",
    "{}",
    "{a: {b: c}}",
    "[[1], 2]",
    "&anchor 1",
    "!!binary aGk=",
    "!!python/object/apply:os.getcwd []",
    "!secret key",
    "|\n        block",
)


def test_the_block_loads_as_written_and_tells_why_openai_is_left_out(tmp_path: Path) -> None:
    llm = loaded(tmp_path, CUSTOMERS_BLOCK).settings.llm
    missing = "has neither key nor model: set model, and OPENAI_API_KEY or api_key_file"

    assert ["ollama"] == list(llm.candidates)
    assert {"openai": missing} == llm.inactive
    assert llm.operator_privacy == "cloud_allowed"


def test_with_a_key_and_a_model_openai_is_asked_first(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "LLMSVC_LLM__PROVIDERS__OPENAI__MODEL": "gpt-4o-mini"}
    llm = loaded(tmp_path, CUSTOMERS_BLOCK, environ).settings.llm

    assert ["openai", "ollama"] == list(llm.candidates)


def test_a_name_that_is_no_kind_is_one_line_that_lists_the_kinds(tmp_path: Path) -> None:
    assert [
        (
            "settings.yaml:9: llm.default_provider: azure is neither an entry of llm.providers nor a"
            " provider kind; kinds: anthropic, mock, ollama, openai"
        )
    ] == problems(tmp_path, CUSTOMERS_BLOCK.replace("provider: openai", "provider: azure"))


def test_the_values_of_the_block_are_what_it_says(tmp_path: Path) -> None:
    entry = loaded(tmp_path, CUSTOMERS_BLOCK).settings.llm.candidates["ollama"]

    assert isinstance(entry, OllamaSettings)
    assert entry.kind == "ollama"
    assert entry.base_url == "http://localhost:11434"
    assert entry.model == "phi3:mini"
    assert entry.temperature == 0.7
    assert entry.num_ctx == 2048
    assert entry.timeout == 60


def test_the_built_in_default_is_the_customers_ollama(tmp_path: Path) -> None:
    from_block = loaded(tmp_path, WITH_OLLAMA_ONLY).settings.llm.candidates

    assert from_block == load(None, {}).settings.llm.candidates


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("key", LEAVES)
def test_any_value_loads_or_is_refused_at_its_own_line(
    tmp_path: Path, key: str, value: str
) -> None:
    text = re.sub(rf"{key}: .*", lambda _: f"{key}: {value}", WITH_OLLAMA_ONLY)
    line = 1 + text[: text.index(f"{key}:")].count("\n")
    told = problems(tmp_path, text)

    assert len(told) <= 1
    assert all(problem.startswith(f"settings.yaml:{line}: {LEAVES[key]}: ") for problem in told)


@pytest.mark.parametrize("key", LEAVES)
def test_a_misspelt_key_is_refused_with_the_right_one(tmp_path: Path, key: str) -> None:
    text = WITH_OLLAMA_ONLY.replace(f"{key}:", f"{key}x:")
    line = 1 + text[: text.index(f"{key}x:")].count("\n")

    assert [f"settings.yaml:{line}: {LEAVES[key]}x: unknown key; did you mean {key}?"] == problems(
        tmp_path, text
    )


@pytest.mark.parametrize("key", LEAVES)
def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path, key: str) -> None:
    text = re.sub(rf"( +{key}: .*\n)", r"\1\1", WITH_OLLAMA_ONLY)
    line = 1 + text[: text.index(f"{key}:")].count("\n")

    assert [
        f"settings.yaml:{line + 1}: {LEAVES[key]}: given twice, first in line {line}; remove one"
    ] == problems(tmp_path, text)


@pytest.mark.parametrize("key", LEAVES)
def test_a_missing_line_means_the_default(tmp_path: Path, key: str) -> None:
    text = re.sub(rf" +{key}: .*\n", "", WITH_OLLAMA_ONLY)

    assert load(None, {}).settings.llm.candidates == loaded(tmp_path, text).settings.llm.candidates


@pytest.mark.parametrize("key", ["llm", "providers", "ollama"])
@pytest.mark.parametrize("value", ["5", "[]", "text"])
def test_a_group_that_is_no_group_is_refused(tmp_path: Path, key: str, value: str) -> None:
    path = {"llm": "llm", "providers": "llm.providers", "ollama": "llm.providers.ollama"}[key]
    lines = WITH_OLLAMA_ONLY.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.lstrip() == f"{key}:\n")
    depth = len(lines[start]) - len(lines[start].lstrip())
    after = [line for line in lines[start + 1 :] if len(line) - len(line.lstrip()) <= depth]
    text = "".join([*lines[:start], f"{' ' * depth}{key}: {value}\n", *after])

    assert [
        (
            f"settings.yaml:{start + 1}: {path}: not a group of settings;"
            " write its keys below it, indented"
        )
    ] == problems(tmp_path, text)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = CUSTOMERS_BLOCK.replace("timeout: 60", "timout: 60").replace("0.7", "hot")
    text = text.replace("provider: openai", "provider: azure")
    told = problems(tmp_path, text, {"LLMSVC_SERVER__LISTEN": "50051", "LLMSVC_SERVR": "x"})

    assert {
        "LLMSVC_SERVR",
        "LLMSVC_SERVER__LISTEN",
        "settings.yaml:6",
        "settings.yaml:8",
        "settings.yaml:9",
    } == {problem.split(": ")[0] for problem in told}
