"""Which providers there are, and who is asked first."""

from pathlib import Path

import pytest

from llmsvc_server.config.settings import Settings
from tests.unit.server.config.loading import loaded, problems

TWO = "providers: {near: {kind: ollama}, far: {kind: ollama, base_url: 'http://far:1'}}"
ORDERS = {
    "llm: {}": ["ollama"],
    "llm: {providers: {near: {kind: ollama}}}": ["near"],
    "llm: {providers: {ollama: }}": ["ollama"],
    "llm: {default_provider: ollama}": ["ollama"],
    "llm: {fallback_sequence: [ollama, ollama]}": ["ollama"],
    f"llm: {{{TWO}, default_provider: far}}": ["far"],
    f"llm: {{{TWO}, fallback_sequence: [far, near]}}": ["far", "near"],
    f"llm: {{{TWO}, default_provider: far, fallback_sequence: [near, far]}}": ["far", "near"],
    f"llm: {{{TWO}, default_provider: far, fallback_sequence: [ollama]}}": ["far", "ollama"],
    "llm: {providers: {mock: {enabled: true}}}": ["mock"],
    "llm: {providers: {mock: {enabled: true}}, fallback_sequence: [ollama, mock]}": [
        "ollama",
        "mock",
    ],
    "llm: {providers: {mock: {}}, default_provider: ollama}": ["ollama"],
}
KINDS = "kinds: anthropic, mock, ollama, openai"
NEITHER = "is neither an entry of llm.providers nor a provider kind"
NAME_WORDS = (
    "not a provider's name; allowed: up to 64 small letters and digits, a letter first, with"
    " single _ between them"
)
NOT_ENABLED = (
    "llm.providers.mock.enabled: mock makes its answers up and is not enabled;"
    " set llm.providers.mock.enabled: true, or take mock out of the sequence"
)
REFUSALS = {
    "llm: {default_provider: mock}": f"1: {NOT_ENABLED}",
    "llm:\n  fallback_sequence: [ollama, mock]": f"2: {NOT_ENABLED}",
    "llm:\n  providers:\n    mock:\n      enabled: no\n  default_provider: mock": f"4: {NOT_ENABLED}",
    "llm:\n  default_provider: olama": f"2: llm.default_provider: olama {NEITHER}; {KINDS}",
    "llm:\n  fallback_sequence:\n  - ollama\n  - azure": (
        f"4: llm.fallback_sequence.1: azure {NEITHER}; {KINDS}"
    ),
    "llm:\n  providers:\n    azure: {model: x}": (
        f"3: llm.providers.azure: there is no provider kind azure; {KINDS}"
    ),
    "llm:\n  providers:\n    cloud:\n      kind: azure": (
        f"3: llm.providers.cloud: there is no provider kind azure; {KINDS}"
    ),
    "llm:\n  providers:\n    Ollama: {}": f"3: llm.providers.Ollama: {NAME_WORDS}",
    "llm:\n  providers:\n    a__b: {kind: ollama}": f"3: llm.providers.a__b: {NAME_WORDS}",
    "llm:\n  default_provider: My GPU": f"2: llm.default_provider: {NAME_WORDS}",
    f"llm:\n  {TWO}": (
        "1: llm.default_provider: missing; allowed: the name of the provider to ask first"
    ),
    "llm:\n  fallback_sequence: ollama": (
        "2: llm.fallback_sequence: not accepted;"
        " allowed: a list of providers' names such as [ollama]"
    ),
    "llm:\n  fallback_sequence: [ollama, '']": (
        "2: llm.fallback_sequence.1: missing; allowed: a list of providers' names such as [ollama]"
    ),
    "llm:\n  providers:\n    cloud: {kind: sk-hunter2}": (
        f"3: llm.providers.cloud: there is no such provider kind; {KINDS}"
    ),
    "llm:\n  timeout: 5": "2: llm.timeout: unknown key; did you mean llm.providers.ollama.timeout?",
    "providers: {}": "1: providers: unknown key; did you mean llm.providers?",
    "llm:\n  providers:\n    ollama: {listen: x}": (
        "3: llm.providers.ollama.listen: unknown key; did you mean server.listen?"
    ),
    "llm:\n  privacy: cloud_allowed": ("2: llm.privacy: not accepted; allowed: local_only or null"),
    "llm:\n  locality: here": (
        "2: llm.locality: unknown key; allowed: providers, default_provider, fallback_sequence,"
        " privacy, remote_when_busy"
    ),
    "llm:\n  providers:\n    near: {kind: ollama, kind_: x}\n": (
        "3: llm.providers.near.kind_: unknown key; did you mean kind?"
    ),
    "llm:\n  fallback_sequence: [{}]": (
        "2: llm.fallback_sequence.0: not accepted;"
        " allowed: a list of providers' names such as [ollama]"
    ),
    "llm:\n  providers:\n    ollama: {kind: mock, enabled: true}": (
        "3: llm.providers.ollama.kind: an entry named ollama has to be of that kind;"
        " write kind: ollama, or give the entry another name"
    ),
}


@pytest.mark.parametrize("text", ORDERS)
def test_candidates_are_asked_in_the_configured_order(tmp_path: Path, text: str) -> None:
    assert ORDERS[text] == list(loaded(tmp_path, text).settings.llm.candidates)


@pytest.mark.parametrize("text", REFUSALS)
def test_an_order_that_cannot_be_kept_is_refused(tmp_path: Path, text: str) -> None:
    assert [f"settings.yaml:{REFUSALS[text]}"] == problems(tmp_path, text)


def test_the_name_of_an_entry_may_have_64_letters(tmp_path: Path) -> None:
    text = "llm: {{providers: {{{}: {{kind: ollama}}}}}}"

    assert [] == problems(tmp_path, text.format("a" * 64))
    assert len(problems(tmp_path, text.format("a" * 65))) == 1


def test_the_effective_default_provider_is_a_name(tmp_path: Path) -> None:
    assert loaded(tmp_path, "llm: {}").settings.llm.default_provider == "ollama"


def test_settings_read_nothing_behind_our_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DRAIN__GRACE_S=1\nDRAIN={}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAIN", '{"grace_s": 1}')
    monkeypatch.setenv("LLMSVC_DRAIN__GRACE_S", "1")

    assert Settings().drain.grace_s == 100
