"""What may leave the operator's network, and who is left out."""

from pathlib import Path

import pytest

from llmsvc_server.chat.route import Privacy
from llmsvc_server.config.cautions import find_warnings
from llmsvc_server.config.llm import LlmSettings
from llmsvc_server.config.show import show
from llmsvc_server.config.sources import load
from tests.unit.server.config.loading import loaded, problems

KEYS = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}
ENTRIES = """\
llm:
  providers:
    openai: {model: gpt-4o-mini}
    claude: {kind: anthropic, model: m}
    vllm: {kind: openai, base_url: 'http://gpu-box:8000/v1', model: m, local: true}
    forwarding: {kind: ollama, allow_remote_models: true}
    mock: {}
"""
LOCAL = [
    "[ollama]",
    "[ollama, vllm]",
]
CLOUD = ["[ollama, openai]", "[openai]", "[vllm, claude]", "[forwarding]", "[ollama, anthropic]"]


def llm_of(folder: Path, rest: str, environ: dict[str, str] | None = None) -> LlmSettings:
    """Return the llm section of all entries and the rest of a file."""
    return loaded(folder, ENTRIES + rest, KEYS if environ is None else environ).settings.llm


@pytest.mark.parametrize("sequence", LOCAL)
def test_without_a_cloud_in_the_sequence_nothing_leaves(tmp_path: Path, sequence: str) -> None:
    llm = llm_of(tmp_path, f"  fallback_sequence: {sequence}\n")

    assert Privacy(llm.operator_privacy) is Privacy.LOCAL_ONLY
    assert {"openai": "openai", "claude": "anthropic"} == llm.withheld_by_privacy
    assert {"openai", "claude", "mock"}.isdisjoint(llm.others)


@pytest.mark.parametrize("sequence", CLOUD)
def test_a_cloud_in_the_sequence_allows_clouds(tmp_path: Path, sequence: str) -> None:
    llm = llm_of(tmp_path, f"  fallback_sequence: {sequence}\n")

    assert Privacy(llm.operator_privacy) is Privacy.CLOUD_ALLOWED
    assert {} == llm.withheld_by_privacy
    assert {"openai", "claude"} <= {*llm.candidates, *llm.others}


def test_a_named_cloud_without_its_key_still_allows_clouds(tmp_path: Path) -> None:
    llm = llm_of(tmp_path, "  fallback_sequence: [ollama, openai]\n", {})

    assert llm.operator_privacy == "cloud_allowed"
    assert ["ollama"] == list(llm.candidates)
    assert {
        "openai": "has no key: set OPENAI_API_KEY or api_key_file",
        "claude": "has no key: set ANTHROPIC_API_KEY or api_key_file",
    } == llm.inactive


def test_the_ceiling_withholds_every_cloud_of_the_sequence(tmp_path: Path) -> None:
    llm = llm_of(
        tmp_path, "  privacy: local_only\n  fallback_sequence: [openai, ollama, claude, vllm]\n"
    )

    assert ["ollama", "vllm"] == list(llm.candidates)
    assert ["forwarding"] == list(llm.others)
    assert {"openai": "openai", "claude": "anthropic"} == llm.withheld_by_privacy
    assert {} == llm.inactive


def test_an_ollama_that_forwards_keeps_its_local_models_under_the_ceiling(tmp_path: Path) -> None:
    llm = llm_of(tmp_path, "  privacy: local_only\n  default_provider: forwarding\n")

    assert llm.operator_privacy == "local_only"
    assert ["forwarding"] == list(llm.candidates)


def test_under_the_ceiling_no_key_is_looked_for(tmp_path: Path) -> None:
    text = (
        "llm:\n  providers:\n    openai: {model: m, api_key_file: /nowhere}\n"
        "  fallback_sequence: [ollama, openai]\n"
    )
    entry = loaded(tmp_path, f"{text}  privacy: local_only\n", KEYS).settings.llm.providers[
        "openai"
    ]

    assert problems(tmp_path, text)
    assert entry.model_dump()["api_key"] is None


def test_a_provider_outside_of_the_sequence_is_there_for_who_names_it(tmp_path: Path) -> None:
    llm = llm_of(tmp_path, "  fallback_sequence: [ollama, openai]\n")

    assert ["ollama", "openai"] == list(llm.candidates)
    assert ["claude", "vllm", "forwarding"] == list(llm.others)


def test_who_cannot_be_asked_is_shown_with_the_reason(tmp_path: Path) -> None:
    inactive = show(loaded(tmp_path, f"{ENTRIES}  fallback_sequence: [ollama, openai]\n"))
    withheld = show(loaded(tmp_path, f"{ENTRIES}  fallback_sequence: [ollama]\n", KEYS))

    assert "\n# openai is left out: it has no key: set OPENAI_API_KEY or api_key_file\n" in inactive
    assert "\n# claude is left out: nothing may leave the operator's network\n" in withheld


def test_nobody_to_ask_is_refused_with_each_reason(tmp_path: Path) -> None:
    text = "llm:\n  providers:\n    openai: {model: m}\n  fallback_sequence: [openai, anthropic]\n"

    assert [
        (
            "settings.yaml:4: llm.fallback_sequence: nobody in the sequence can be asked; openai"
            " has no key: set OPENAI_API_KEY or api_key_file; anthropic has neither key nor model:"
            " set model, and ANTHROPIC_API_KEY or api_key_file"
        )
    ] == problems(tmp_path, text)


def test_nobody_to_ask_under_the_ceiling_is_refused(tmp_path: Path) -> None:
    assert [
        (
            "settings.yaml:2: llm.default_provider: nobody in the sequence can be asked; openai is a"
            " cloud, and llm.privacy is local_only by settings.yaml:3"
        )
    ] == problems(tmp_path, "llm:\n  default_provider: openai\n  privacy: local_only\n", KEYS)


def test_a_local_server_without_a_model_is_left_out(tmp_path: Path) -> None:
    text = (
        "llm:\n  providers:\n    vllm: {kind: openai, local: true, base_url: 'http://gpu:1/v1'}\n"
        "  fallback_sequence: [ollama, vllm]\n"
    )
    llm = loaded(tmp_path, text).settings.llm

    assert {"vllm": "has no model: set model"} == llm.inactive
    assert llm.operator_privacy == "local_only"


def test_a_cloud_elsewhere_is_not_told_to_use_the_vendors_variable(tmp_path: Path) -> None:
    text = (
        "llm:\n  providers:\n    gate: {kind: openai, model: m, base_url: 'https://gate.example'}\n"
        "  fallback_sequence: [ollama, gate]\n"
    )

    assert {"gate": "has no key: set api_key_file"} == loaded(tmp_path, text).settings.llm.inactive


def test_the_defaults_keep_everything_inside() -> None:
    llm = load(None, KEYS).settings.llm

    assert llm.operator_privacy == "local_only"
    assert llm.remote_when_busy is True


VARIABLE = "LLMSVC_LLM__PRIVACY"
CEILING = f"{ENTRIES}  privacy: local_only\n  fallback_sequence: [ollama, openai]\n"


@pytest.mark.parametrize("null", ["null", "~"])
def test_a_variable_does_not_lift_the_files_ceiling_and_that_is_said(
    tmp_path: Path, null: str
) -> None:
    effective = loaded(tmp_path, CEILING, {**KEYS, VARIABLE: null})
    said = (
        f"{VARIABLE} is not followed: null would lift llm.privacy, which"
        f" {tmp_path}/settings.yaml:8 sets; change it there"
    )

    assert effective.settings.llm.operator_privacy == "local_only"
    assert ["ollama"] == list(effective.settings.llm.candidates)
    assert effective.origins["llm.privacy"] == f"{tmp_path}/settings.yaml"
    assert [said] == [text for text in find_warnings(effective) if VARIABLE in text]
    assert f"\n# {said}\n" in show(effective)


def test_a_variable_takes_back_no_ceiling_that_is_misspelt_either(tmp_path: Path) -> None:
    lines = problems(tmp_path, "llm: {privacy: local-only}", {VARIABLE: "null"})

    assert ["settings.yaml:1: llm.privacy: not accepted; allowed: local_only or null"] == lines


@pytest.mark.parametrize("value", ["", "cloud_allowed", "none", "NULL", "{}", "[]", "false"])
def test_no_other_word_lifts_it(tmp_path: Path, value: str) -> None:
    lines = problems(tmp_path, CEILING, {**KEYS, VARIABLE: value})

    assert [f"{VARIABLE}: llm.privacy: not accepted; allowed: local_only or null"] == lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMSVC_LLM__FALLBACK_SEQUENCE", '["ollama", "claude"]'),
        ("LLMSVC_LLM__PROVIDERS__FORWARDING__ALLOW_REMOTE_MODELS", "true"),
        ("LLMSVC_LLM__PROVIDERS__OLLAMA__LOCAL_NETWORKS", '["100.64.0.0/10"]'),
        ("LLMSVC_LLM__REMOTE_WHEN_BUSY", "true"),
    ],
)
def test_what_a_variable_may_say_anew_loosens_no_ceiling(
    tmp_path: Path, name: str, value: str
) -> None:
    effective = loaded(tmp_path, CEILING, {**KEYS, name: value})

    assert effective.settings.llm.operator_privacy == "local_only"
    assert {"openai", "claude"} == set(effective.settings.llm.withheld_by_privacy)
    assert () == effective.unfollowed


@pytest.mark.parametrize("privacy", ["", "  privacy: null\n", "  privacy: ~\n"])
def test_a_variable_may_set_a_ceiling_that_the_file_does_not(tmp_path: Path, privacy: str) -> None:
    text = f"{ENTRIES}{privacy}  fallback_sequence: [ollama, openai]\n"
    tightened = loaded(tmp_path, text, {**KEYS, VARIABLE: "local_only"})
    open_ = loaded(tmp_path, text, {**KEYS, VARIABLE: "null"})

    assert tightened.settings.llm.operator_privacy == "local_only"
    assert tightened.origins["llm.privacy"] == VARIABLE
    assert open_.settings.llm.operator_privacy == "cloud_allowed"
    assert () == tightened.unfollowed == open_.unfollowed


def test_nobody_to_ask_after_a_variable_was_not_followed_names_the_file(tmp_path: Path) -> None:
    text = "llm:\n  default_provider: openai\n  privacy: local_only\n"
    (line,) = problems(tmp_path, text, {**KEYS, VARIABLE: "null"})

    assert line.endswith("; openai is a cloud, and llm.privacy is local_only by settings.yaml:3")
