"""The commands, called in this process."""

import contextlib
import io
import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from llmsvc_server.cli import main
from tests.architecture.command import ROOT
from tests.unit.server.config.loading import CUSTOMERS_BLOCK

DEV = str(ROOT / "deploy/config/dev.yaml")
USAGE: tuple[list[str], ...] = (
    [],
    ["config"],
    ["serv"],
    ["serve", "--port", "1"],
    ["serve", "--conf", "x"],
    ["version", "x"],
)


@pytest.mark.parametrize("command", [["serve"], ["config", "check"], ["config", "show"]])
def test_a_wrong_configuration_ends_with_two_and_one_line_each(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    block = CUSTOMERS_BLOCK.replace("provider: openai", "provider: azure")
    file.write_text(block, encoding="utf-8")
    code = main([*command, "--config", str(file)], {"LLMSVC_LISTEN": "x"})
    said = capsys.readouterr()

    assert code == 2
    assert said.out == ""
    assert [
        "llmsvc-server: LLMSVC_LISTEN: unknown variable; did you mean LLMSVC_SERVER__LISTEN?",
        (
            f"llmsvc-server: {file}:9: llm.default_provider: azure is neither an entry of"
            " llm.providers nor a provider kind; kinds: anthropic, mock, ollama, openai"
        ),
    ] == said.err.splitlines()


def test_hundreds_of_problems_do_not_flood_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("".join(f"key{number}: 1\n" for number in range(300)), encoding="utf-8")
    main(["config", "check", "--config", str(file)], {})
    lines = capsys.readouterr().err.splitlines()

    assert len(lines) == 51
    assert lines[-1] == "llmsvc-server: 250 more problems"


def test_check_says_who_would_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["config", "check", "--config", DEV], {})

    assert code == 0
    assert f"ok: {DEV}: asks ollama (phi3:mini), then mock (mock)\n" == capsys.readouterr().out


LEFT_OUT = """\
llm:
  providers: {ollama: {kind: ollama}, openai: {kind: openai, model: m}}
  default_provider: ollama
  fallback_sequence: [openai]
server: {listen: "0.0.0.0:1"}
"""


def test_check_says_what_serve_would_warn_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(LEFT_OUT, encoding="utf-8")
    code = main(["config", "check", "--config", str(file)], {})
    said = capsys.readouterr()
    listening, left_out, *_ = said.err.splitlines()

    assert (code, said.out[:4]) == (0, "ok: ")
    assert listening.startswith("llmsvc-server: warning: listening beyond this machine")
    assert left_out.startswith("llmsvc-server: warning: openai is left out: it ")


def test_a_strict_check_takes_a_warning_for_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(LEFT_OUT, encoding="utf-8")
    code = main(["config", "check", "--strict", "--config", str(file)], {})
    said = capsys.readouterr()

    assert (code, said.out) == (2, "")
    assert "warning: openai is left out" in said.err
    assert main(["config", "check", "--strict", "--config", DEV], {}) == 0


def test_the_version_is_an_option_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"], {}) == 0
    as_command = capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["--version"], {})

    assert (0, as_command) == (left.value.code, capsys.readouterr())


def test_the_file_may_come_from_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "check"], {"LLMSVC_CONFIG": DEV})

    assert capsys.readouterr().out.startswith(f"ok: {DEV}: ")


def test_address_is_where_this_machine_reaches_the_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = {"LLMSVC_SERVER__LISTEN": "nowhere"}

    assert 0 == main(["config", "address"], {"LLMSVC_SERVER__LISTEN": "[::]:7"})
    assert "[::1]:7\n" == capsys.readouterr().out
    assert 2 == main(["config", "address"], wrong)
    assert "" == capsys.readouterr().out


def test_address_of_health_is_the_listener_for_probes_where_there_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = {"LLMSVC_SERVER__LISTEN": "[::]:7", "LLMSVC_SERVER__HEALTH_LISTEN": "0.0.0.0:8"}
    for environ, reached in (({}, "127.0.0.1:50051\n"), (both, "127.0.0.1:8\n")):
        assert 0 == main(["config", "address", "--health"], environ)
        assert reached == capsys.readouterr().out


def test_show_prints_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["config", "show"], {"LLMSVC_SERVER__LISTEN": "[::1]:0"})
    said = capsys.readouterr()

    assert code == 0
    assert '  listen: "[::1]:0" ' in said.out
    assert said.out.endswith("\n")
    assert said.err == ""


def test_schema_prints_json_whatever_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["config", "schema"], {"LLMSVC_CONFIG": "/nowhere"})

    assert code == 0
    assert json.loads(capsys.readouterr().out)["properties"]["llm"]


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["version"], {})

    assert code == 0
    assert f"llmsvc-server {version('llmsvc')}\n" == capsys.readouterr().out


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_ends_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments, {})
    said = capsys.readouterr()

    assert end.value.code == 2
    assert said.out == ""
    assert "usage: llmsvc-server" in said.err


def test_a_reader_that_has_enough_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as answers, contextlib.redirect_stdout(answers):
        code = main(["version"], {})

    assert code == 0
    assert capsys.readouterr().err == ""


def test_an_answer_that_finds_no_room_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as answers, contextlib.redirect_stdout(answers):
        code = main(["version"], {})

    assert code == 1
    assert capsys.readouterr().err == (
        "llmsvc-server: can't write the answer: No space left on device\n"
    )


def test_without_a_stream_the_exit_code_is_the_answer() -> None:
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        assert main(["config", "check"], {}) == 0
        assert main(["config", "check"], {"LLMSVC_LISTEN": "x"}) == 2


def test_names_that_the_terminal_cannot_show_are_escaped() -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stderr(terminal):
        code = main(["config", "check", "--config", "\udcff\u00fc.yaml"], {})
    terminal.seek(0)

    assert code == 2
    assert terminal.read().startswith(r"llmsvc-server: \udcff\xfc.yaml: can't be read: ")
