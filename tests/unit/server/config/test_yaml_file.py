"""Files that can't be read, and YAML that would mean something else than it seems to."""

import gc
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.config.sources import BUILT_IN, load
from tests.unit.server.config.loading import loaded, problems, refusal

UNREADABLE = {
    "\t: x": "settings.yaml:1: not YAML: found character '\\t' that cannot start any token;"
    " correct this line or one before",
    "llm: a: b": "settings.yaml:1: not YAML: mapping values are not allowed here;"
    " correct this line or one before",
    "llm: {}\n---\nllm: {}": "settings.yaml:2: not YAML: but found another document;"
    " correct this line or one before",
    "llm: *nothing": "settings.yaml:1: not YAML: found undefined alias 'nothing';"
    " correct this line or one before",
    "- llm": "settings.yaml: not a map of settings; begin with a key such as llm:",
    "llm": "settings.yaml: not a map of settings; begin with a key such as llm:",
    "? [a]\n: b": "settings.yaml:1: a key is no text; write key: value",
    "\0": "settings.yaml: not text; save it as UTF-8",
}


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text)[:20])
def test_what_is_no_map_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    assert [UNREADABLE[text]] == problems(tmp_path, text)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Keep finalizers of other tests' objects away from the bottom of the stack."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    told = "settings.yaml: nested too deep; settings have four levels"

    assert [told] == problems(tmp_path, "- " * 2_000)


@pytest.mark.parametrize(
    "text", ["", "# nothing set\n", "llm:\n", "server:\n  # listen: x\nllm:\n"]
)
def test_a_file_that_sets_nothing_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(None, {}).settings == loaded(tmp_path, text).settings


def test_an_alias_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = "drain:\n  grace_s: &seconds 5\n  pre_drain_s: *seconds\n"

    assert [
        "settings.yaml:3: drain.pre_drain_s: an alias stands here; write the value out"
    ] == problems(tmp_path, text)


def test_an_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    names = "abcdefghijklmnopqrst"
    lines = ["a: &a [x, x]"]
    lines += [f"{name}: &{name} [*{last}, *{last}]" for last, name in itertools.pairwise(names)]

    assert len(problems(tmp_path, "\n".join(lines))) < 100


@pytest.mark.parametrize("switch", ["off", "no", "False", "'false'", "0"])
def test_a_switch_takes_every_word_for_off(tmp_path: Path, switch: str) -> None:
    settings = loaded(tmp_path, f"server: {{reflection: {switch}}}").settings

    assert settings.server.reflection is False


@pytest.mark.parametrize("value", ["yes", "1:30", "0x10", "1e3", "2024-01-01", "''", "", "~"])
def test_a_whole_number_is_never_guessed(tmp_path: Path, value: str) -> None:
    assert [
        "settings.yaml:2: server.max_chats: not accepted; allowed: a whole number from 1 to 100000"
    ] == problems(tmp_path, f"server:\n  max_chats: {value}\n")


def test_a_number_may_be_quoted(tmp_path: Path) -> None:
    assert loaded(tmp_path, "server: {max_chats: '7'}").settings.server.max_chats == 7


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.yaml")

    assert [f"{missing}: can't be read: No such file or directory; correct --config"] == refusal(
        missing, {}
    )


def test_the_variable_that_named_a_missing_file_is_told() -> None:
    (told,) = refusal(None, {"LLMSVC_CONFIG": "/nowhere/llmsvc.yaml"})

    assert told.endswith("; correct LLMSVC_CONFIG")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".", "it is a directory"),
        ("/dev/null", "it is not a file"),
        ("a\0b", "its name holds a null byte"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_no_file_is_told_so(path: str, reason: str) -> None:
    (told,) = refusal(path, {})

    assert f"can't be read: {reason}; correct --config" in told


def test_a_file_with_a_long_path_is_named_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (told,) = problems(folder, "llm: {}\nlog: 5\n")
    file = folder / "missing.yaml"
    (missing,) = refusal(str(file), {})

    assert told.startswith("settings.yaml:2: log: ")
    assert missing.startswith(f"{file}: can't be read: ")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "#" * 300_000)

    assert "it has more than 262144 bytes" in told


@pytest.mark.parametrize("environ", [{}, {"LLMSVC_CONFIG": ""}])
def test_an_empty_name_is_not_no_name(environ: dict[str, str]) -> None:
    (told,) = refusal(None if environ else "", environ)

    name = "LLMSVC_CONFIG" if environ else "--config"
    assert f"{name}: names no file; name one, or leave it out" == told


def test_the_option_beats_the_variable(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "drain: {grace_s: 1}", {"LLMSVC_CONFIG": "/nowhere"}).settings

    assert settings.drain.grace_s == 1


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("drain: {grace_s: 1}",))
    writer.start()
    settings = load(str(pipe), {}).settings
    writer.join()

    assert settings.drain.grace_s == 1


def test_without_a_file_the_source_is_the_built_in_defaults() -> None:
    defaults = load(None, {})

    assert BUILT_IN == defaults.source
    assert {"default"} == set(defaults.origins.values())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "windows.yaml"
    file.write_text("drain: {grace_s: 1}\n", encoding=encoding)

    assert load(str(file), {}).settings.drain.grace_s == 1


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")

    (told,) = refusal(str(file), {})

    assert f"{file}: not text; save it as UTF-8" == told


def test_what_a_stranger_wrote_stays_on_one_short_line(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f'"two\\nlines \\e[31m {"x" * 1000}": 1')

    assert "\n" not in told
    assert told.isprintable()
    assert len(told) < 250


@given(text=st.text(alphabet="llm:providers ollama\n\t-[]{}\"'&*!|>#%@`,?~0.9\\x", max_size=60))
def test_any_text_is_settings_or_a_list_of_problems(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    assert all(problems(tmp_path_factory.getbasetemp(), text))
