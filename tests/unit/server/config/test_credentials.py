"""Keys: where they come from, and that nobody ever sees one."""

import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from llmsvc_server.config.providers import AnthropicSettings, OpenaiSettings
from llmsvc_server.config.show import schema, show
from llmsvc_server.config.sources import Loaded
from tests.unit.server.config.loading import loaded, problems

KEY = "sk-canary-1"
OTHER = "sk-canary-2"
BAD_KEYS = [f"{KEY}\n{OTHER}", f"{KEY} {OTHER}", f"{KEY}\x00", f"{KEY}\u00fc", KEY * 1_000]


def text(entry: str, name: str = "openai") -> str:
    """Return a file with Ollama first and one more entry."""
    return f"llm:\n  providers:\n    {name}: {entry}\n  fallback_sequence: [ollama, {name}]\n"


def key_of(effective: Loaded, name: str = "openai") -> str | None:
    """Return the key that an entry ends up with."""
    entry = effective.settings.llm.providers[name]
    assert isinstance(entry, OpenaiSettings | AnthropicSettings)
    return None if entry.api_key is None else entry.api_key.get_secret_value()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file with a key, as a cluster writes one."""
    path = tmp_path / "key"
    path.write_text(f"{OTHER}\n", encoding="utf-8")
    return path


def test_the_vendors_variable_is_the_last_source(tmp_path: Path) -> None:
    effective = loaded(tmp_path, text("{model: m}"), {"OPENAI_API_KEY": f" {KEY}\n"})

    assert key_of(effective) == KEY
    assert effective.origins["llm.providers.openai.api_key"] == "OPENAI_API_KEY"
    assert ["ollama", "openai"] == list(effective.settings.llm.candidates)


def test_anthropic_has_a_variable_of_its_own(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": OTHER, "ANTHROPIC_API_KEY": KEY}
    effective = loaded(tmp_path, text("{kind: anthropic, model: m}", "claude"), environ)

    assert key_of(effective, "claude") == KEY
    assert effective.origins["llm.providers.claude.api_key"] == "ANTHROPIC_API_KEY"


def test_a_file_beats_the_vendors_variable(tmp_path: Path, key_file: Path) -> None:
    entry = f"{{model: m, api_key_file: {key_file}}}"
    effective = loaded(tmp_path, text(entry), {"OPENAI_API_KEY": KEY})

    assert key_of(effective) == OTHER
    assert effective.origins["llm.providers.openai.api_key"] == str(key_file)


def test_a_key_in_the_configuration_beats_everything(tmp_path: Path) -> None:
    entry = f"{{model: m, api_key: {KEY}, api_key_file: /nowhere}}"
    effective = loaded(tmp_path, text(entry), {"OPENAI_API_KEY": OTHER})

    assert key_of(effective) == KEY
    assert effective.origins["llm.providers.openai.api_key"] == f"{tmp_path}/settings.yaml"


def test_a_key_can_come_from_a_variable_of_ours(tmp_path: Path) -> None:
    name = "LLMSVC_LLM__PROVIDERS__OPENAI__API_KEY"
    effective = loaded(tmp_path, text("{model: m}"), {name: KEY})

    assert key_of(effective) == KEY
    assert effective.origins["llm.providers.openai.api_key"] == name


@pytest.mark.parametrize(
    "entry",
    [
        "{model: m, base_url: 'https://other.example/v1'}",
        "{model: m, base_url: 'http://gpu-box:8000/v1', local: true}",
        "{model: m, base_url: 'https://api.openai.com.other.example/v1'}",
    ],
)
def test_the_vendors_key_goes_to_nobody_else(tmp_path: Path, entry: str) -> None:
    effective = loaded(tmp_path, text(entry, "openai"), {"OPENAI_API_KEY": KEY})

    assert key_of(effective) is None


def test_a_local_server_needs_no_key_and_may_have_one(tmp_path: Path, key_file: Path) -> None:
    entry = "kind: openai, model: m, base_url: 'http://gpu-box:8000/v1', local: true"
    without = loaded(tmp_path, text(f"{{{entry}}}", "vllm"))
    has_one = loaded(tmp_path, text(f"{{{entry}, api_key_file: {key_file}}}", "vllm"))

    assert ["ollama", "vllm"] == list(without.settings.llm.candidates)
    assert key_of(without, "vllm") is None
    assert key_of(has_one, "vllm") == OTHER


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_key_is_none(tmp_path: Path, blank: str) -> None:
    effective = loaded(tmp_path, text('{model: m, api_key: ""}'), {"OPENAI_API_KEY": blank})

    assert {"openai": "has no key: set OPENAI_API_KEY or api_key_file"} == (
        effective.settings.llm.inactive
    )


@pytest.mark.parametrize("key", BAD_KEYS, ids=["line", "space", "zero", "letter", "length"])
def test_what_no_key_is_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    path = tmp_path / "key"
    path.write_text(key, encoding="utf-8")
    ours = "LLMSVC_LLM__PROVIDERS__OPENAI__API_KEY"
    setting, variable, file = (
        problems(tmp_path, text("{model: m}"), {ours: key}),
        problems(tmp_path, text("{model: m}"), {"OPENAI_API_KEY": key}),
        problems(tmp_path, text(f"{{model: m, api_key_file: {path}}}")),
    )

    what = "holds what no key has"
    place = "llm.providers.openai.api_key"
    assert [f"{ours}: {place}: {what}; write the key alone, as the vendor gave it"] == setting
    assert [
        f"OPENAI_API_KEY: {place}: {what}; write the key alone, as the vendor gave it"
    ] == variable
    assert [
        f"settings.yaml:3: {place}_file: key {what}; write the key alone, as the vendor gave it"
    ] == file


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (f'"{KEY}"', "stands in quotation marks; write it without them"),
        (f"'{KEY}'", "stands in quotation marks; write it without them"),
        (f"`{KEY}`", "stands in quotation marks; write it without them"),
        (f"\u201c{KEY}\u201d", "stands in quotation marks; write it without them"),
        (f'"{KEY}', "stands in quotation marks; write it without them"),
        ('""', "stands in quotation marks; write it without them"),
        (f"Bearer {KEY}", "begins with the word Bearer; write the key alone"),
        (f"OPENAI_API_KEY={KEY}", "is a whole assignment; write what stands behind the ="),
        (f'export OPENAI_API_KEY="{KEY}', "is a whole assignment; write what stands behind the ="),
        ("${OPENAI_API_KEY}", "is the name of a variable; write its value"),
        ("$OPENAI_API_KEY", "is the name of a variable; write its value"),
    ],
)
def test_a_key_with_something_around_it_is_refused_with_the_remedy(
    tmp_path: Path, given: str, what: str
) -> None:
    path = tmp_path / "key"
    path.write_text(f"{given}\n", encoding="utf-8")
    (yaml_file,) = problems(tmp_path, text(f"{{model: m, api_key: {json.dumps(given)}}}"))
    (variable,) = problems(tmp_path, text("{model: m}"), {"OPENAI_API_KEY": given})
    (file,) = problems(tmp_path, text(f"{{model: m, api_key_file: {path}}}"))
    (ours,) = problems(
        tmp_path, text("{model: m}"), {"LLMSVC_LLM__PROVIDERS__OPENAI__API_KEY": given}
    )

    for line in (yaml_file, variable, file):
        assert what in line
        assert KEY not in line
    assert what.partition(";")[0] in ours
    assert KEY not in ours


def test_a_file_without_a_key_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    reasons = {
        "missing": "can't be read: No such file or directory",
        "": "can't be read: it is a directory",
        "empty": "is empty",
        "binary": "is not text",
        "large": "can't be read: it has more than 65536 bytes",
    }
    for name, reason in reasons.items():
        (line,) = problems(tmp_path, text(f"{{model: m, api_key_file: {tmp_path}/{name}}}"))

        assert line.startswith("settings.yaml:3: llm.providers.openai.api_key_file: ")
        assert reason in line


def test_a_device_is_no_file(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, text(f"{{model: m, api_key_file: {os.devnull}}}"))

    assert "it is not a file" in line


def test_a_key_in_place_of_its_file_is_not_repeated(tmp_path: Path) -> None:
    assert [
        (
            "settings.yaml:3: llm.providers.openai.api_key_file: is no absolute path; write a path"
            " such as /run/secrets/openai_api_key"
        )
    ] == problems(tmp_path, text(f"{{model: m, api_key_file: {KEY}}}"))


def test_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert [
        (
            "settings.yaml:3: llm.providers.openai.api_key: not accepted; allowed: a key as the"
            " vendor gave it, or null"
        )
    ] == problems(tmp_path, text("{model: m, api_key: [a]}"))


def test_no_output_shows_a_key(tmp_path: Path, key_file: Path) -> None:
    file = (
        f"llm:\n  providers:\n    openai: {{model: m, api_key: {KEY}}}\n    other: {{kind: openai,"
        f" model: m, base_url: 'https://other.example', api_key_file: {key_file}}}\n"
        "    claude: {kind: anthropic, model: m}\n  fallback_sequence: [ollama, openai]\n"
    )
    effective = loaded(tmp_path, file, {"ANTHROPIC_API_KEY": KEY})
    shown = show(effective)
    told = " ".join((shown, schema(), repr(effective), str(effective.settings.model_dump())))

    assert "canary" not in told
    assert "canary" not in effective.settings.model_dump_json()
    assert [f"{tmp_path}/settings.yaml", str(key_file), "ANTHROPIC_API_KEY"] == [
        line.rpartition(" # ")[2] for line in shown.splitlines() if "api_key:" in line
    ]


def test_what_is_shown_loads_without_its_keys(tmp_path: Path) -> None:
    effective = loaded(tmp_path, text(f"{{model: m, api_key: {KEY}}}"))
    again = loaded(tmp_path, show(effective), {"OPENAI_API_KEY": KEY})

    assert effective.settings == again.settings


def test_a_key_handed_to_the_settings_directly_is_kept_secret() -> None:
    entry = OpenaiSettings.model_validate({"model": "m", "api_key": KEY})

    assert isinstance(entry.api_key, SecretStr)
    assert entry.missing == ""
    assert KEY not in repr(entry)
