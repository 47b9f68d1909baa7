"""Variables: settings, other people's names, and mistakes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.config.keys import environment_name, is_list, is_map, keys
from llmsvc_server.config.sources import load
from tests.unit.server.config.loading import loaded, problems, refusal

QUOTED = {
    "LLMSVC_SERVER__LISTEN": '"127.0.0.1:50051"',
    "LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL": "'http://gpu-1:11434'",
    "LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL": '"phi3:mini"',
    "LLMSVC_LLM__PROVIDERS__OPENAI__MODEL": " \u201cgpt-4o\u201d",
    "LLMSVC_LLM__PROVIDERS__OLLAMA__NUM_CTX": '"2048"',
    "LLMSVC_OBSERVABILITY__LOG_LEVEL": '""',
}
INJECTED = {
    "LLMSVC_SERVICE_HOST": "10.0.0.7",
    "LLMSVC_SERVICE_PORT": "50051",
    "LLMSVC_SERVICE_PORT_GRPC": "50051",
    "LLMSVC_PORT": "tcp://10.0.0.7:50051",
    "LLMSVC_PORT_50051_TCP": "tcp://10.0.0.7:50051",
    "LLMSVC_PORT_50051_TCP_ADDR": "10.0.0.7",
    "LLMSVC_PORT_50051_TCP_PORT": "50051",
    "LLMSVC_PORT_50051_TCP_PROTO": "tcp",
    "LLMSVC_PORT_53_UDP": "udp://10.0.0.7:53",
    "LLMSVC_HEADLESS_SERVICE_HOST": "fd00::7",
    "LLMSVC_HEADLESS_SERVICE_PORT": "50051",
    "LLMSVC_HEADLESS_SERVICE_PORT_GRPC_WEB": "50051",
    "LLMSVC_HEADLESS_PORT": "tcp://[fd00::7]:50051",
    "LLMSVC_HEADLESS_PORT_50051_TCP": "tcp://[fd00::7]:50051",
    "LLMSVC_HEADLESS_PORT_50051_TCP_ADDR": "fd00::7",
    "LLMSVC_EU_WEST__1_PORT": "tcp://10.0.0.8:50051",
}
OTHERS = {
    "LLMSVC_CLIENT_ADDRESS": "localhost:50051",
    "LLMSVC_LIVE_BASE_URL": "http://localhost:11434",
    "LLMSVC_LIVE_MODEL": "phi3:mini",
    "LLMSVCX": "not ours",
    "PATH": "/usr/bin",
}
MISTAKES = {
    "LLMSVC_SERVER_LISTEN": "did you mean LLMSVC_SERVER__LISTEN?",
    "LLMSVC_LISTEN": "did you mean LLMSVC_SERVER__LISTEN?",
    "LLMSVC_API_KEY": "did you mean LLMSVC_LLM__PROVIDERS__OPENAI__API_KEY?",
    "LLMSVC_BASE_URL": "did you mean LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL?",
    "LLMSVC_SERVER__LISTE": "did you mean LLMSVC_SERVER__LISTEN?",
    "llmsvc_server__listen": "did you mean LLMSVC_SERVER__LISTEN?",
    "LLMSVC_LLM__PROVIDERS__OLLAMA__MODLE": "did you mean LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL?",
    "LLMSVC_LLM__PROVIDERS__GPU_1__MODLE": "did you mean LLMSVC_LLM__PROVIDERS__GPU_1__MODEL?",
    "LLMSVC_PORT": "remove it, or write a name such as LLMSVC_SERVER__LISTEN",
    "LLMSVC_SERVER_PORT": "did you mean LLMSVC_SERVER__LISTEN?",
    "LLMSVC_SERVER__PORT": "did you mean LLMSVC_SERVER__LISTEN?",
    "LLMSVC_": "remove it, or write a name such as LLMSVC_SERVER__LISTEN",
}
GROUPS = {
    "LLMSVC_SERVER": "set LLMSVC_SERVER__LISTEN",
    "LLMSVC_LLM": "set LLMSVC_LLM__DEFAULT_PROVIDER",
    "LLMSVC_LLM__PROVIDERS": "set LLMSVC_LLM__PROVIDERS__OLLAMA__KIND",
    "LLMSVC_LLM__PROVIDERS__GPU_1": "set LLMSVC_LLM__PROVIDERS__GPU_1__KIND",
}


@pytest.mark.parametrize("name", [*INJECTED, *OTHERS])
def test_names_of_others_never_stop_a_start(name: str) -> None:
    assert [] == refusal(None, {name: (INJECTED | OTHERS)[name]})


@pytest.mark.parametrize("name", MISTAKES)
def test_an_unknown_name_is_refused_with_the_right_one(name: str) -> None:
    assert [f"{name}: unknown variable; {MISTAKES[name]}"] == refusal(None, {name: "50052"})


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_not_set_as_a_whole(name: str) -> None:
    assert [
        f"{name}: a group of settings, which no variable sets as a whole; {GROUPS[name]}"
    ] == refusal(None, {name: "{}"})


def test_a_variable_beats_the_default_and_is_named_as_its_source() -> None:
    result = load(None, {"LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL": "llama3.2"})

    assert result.settings.llm.candidates["ollama"].model == "llama3.2"
    assert result.origins["llm.providers.ollama.model"] == "LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL"
    assert result.origins["llm.providers.ollama.timeout"] == "default"


def test_a_list_is_json() -> None:
    llm = load(
        None,
        {
            "LLMSVC_LLM__FALLBACK_SEQUENCE": '["ollama", "mock"]',
            "LLMSVC_LLM__PROVIDERS__MOCK__ENABLED": "true",
        },
    ).settings.llm

    assert ["ollama", "mock"] == list(llm.candidates)


@pytest.mark.parametrize("text", ["ollama,mock", "ollama", "", "{}", "[", "[" * 100_000, "null"])
def test_a_list_in_another_form_is_refused_with_an_example(text: str) -> None:
    assert [
        (
            "LLMSVC_LLM__FALLBACK_SEQUENCE: llm.fallback_sequence: not a list in JSON;"
            """ write for example LLMSVC_LLM__FALLBACK_SEQUENCE='["ollama"]'"""
        )
    ] == refusal(None, {"LLMSVC_LLM__FALLBACK_SEQUENCE": text})


@pytest.mark.parametrize("text", ["a: b", "[]", "", "{", '"a"', "null"])
def test_a_map_in_another_form_is_refused_with_an_example(text: str) -> None:
    name = "LLMSVC_LLM__PROVIDERS__OLLAMA__ALIASES"

    assert [
        (
            f"{name}: llm.providers.ollama.aliases: not a map in JSON;"
            f""" write for example {name}='{{"llama3.2": "gpt-4o-mini"}}'"""
        )
    ] == refusal(None, {name: text})


def test_every_list_and_map_has_an_example_that_is_taken() -> None:
    shaped = {place: field for place, field in keys().items() if is_list(field) or is_map(field)}
    ollamas = {place: field for place, field in shaped.items() if "openai" not in place}

    assert all(field.examples for field in shaped.values())
    for place, field in ollamas.items():
        assert [] == refusal(
            None,
            {
                environment_name(place): json.dumps((field.examples or [None])[0]),
                "LLMSVC_LLM__DEFAULT_PROVIDER": "ollama",
            },
        )


@pytest.mark.parametrize("text", ["null", "~"])
def test_null_means_null(text: str) -> None:
    llm = load(None, {"LLMSVC_LLM__PROVIDERS__OLLAMA__TEMPERATURE": text}).settings.llm

    assert llm.candidates["ollama"].model_dump()["temperature"] is None


def test_an_empty_variable_is_not_an_absent_one() -> None:
    assert [
        "LLMSVC_DRAIN__GRACE_S: drain.grace_s: not accepted; allowed: a number from 0 to 3600"
    ] == refusal(None, {"LLMSVC_DRAIN__GRACE_S": ""})


def test_a_new_entry_can_come_from_the_environment_alone() -> None:
    llm = load(
        None,
        {
            "LLMSVC_LLM__PROVIDERS__GPU_1__KIND": "ollama",
            "LLMSVC_LLM__PROVIDERS__GPU_1__BASE_URL": "http://gpu-1:11434",
        },
    ).settings.llm

    assert ["gpu_1"] == list(llm.candidates)


def test_a_bad_entry_of_the_environment_is_blamed_on_a_variable() -> None:
    assert [
        (
            "LLMSVC_LLM__PROVIDERS__CLOUD__MODEL: llm.providers.cloud: there is no provider kind"
            " cloud; kinds: anthropic, mock, ollama, openai"
        )
    ] == refusal(None, {"LLMSVC_LLM__PROVIDERS__CLOUD__MODEL": "x"})


def test_the_wrong_key_for_a_kind_is_blamed_on_its_variable() -> None:
    assert [
        (
            "LLMSVC_LLM__PROVIDERS__MOCK__BASE_URL: llm.providers.mock.base_url: unknown key;"
            " allowed: kind, enabled, model"
        )
    ] == refusal(None, {"LLMSVC_LLM__PROVIDERS__MOCK__BASE_URL": "http://localhost:1"})


@pytest.mark.parametrize("text", ["drain:", "drain: {}", "drain: {grace_s: 9}"])
def test_a_variable_beats_the_file(tmp_path: Path, text: str) -> None:
    effective = loaded(tmp_path, text, {"LLMSVC_DRAIN__GRACE_S": "3"})

    assert effective.settings.drain.grace_s == 3
    assert effective.origins["drain.grace_s"] == "LLMSVC_DRAIN__GRACE_S"


def test_a_variable_does_not_hide_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    assert [
        "settings.yaml:1: drain: not a group of settings; write its keys below it, indented"
    ] == problems(tmp_path, "drain: 5", {"LLMSVC_DRAIN__GRACE_S": "3"})


def test_values_never_come_back_in_a_refusal() -> None:
    secret = "sk-hunter2"  # noqa: S105  what somebody might paste into the wrong place
    environ = {environment_name(path): secret for path in keys()}
    environ |= {
        "LLMSVC_API_KEY": secret,
        "LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL": f"http://{secret}@h",
    }
    lines = refusal(None, environ)

    assert len(lines) > 15
    assert not [line for line in lines if secret in line]


@given(path=st.sampled_from(sorted(keys())), text=st.text(max_size=40))
def test_any_value_of_any_variable_is_taken_or_refused(path: tuple[str, ...], text: str) -> None:
    name = environment_name(path)

    assert all(line.startswith(f"{name}: ") for line in refusal(None, {name: text}))


@given(rest=st.text(alphabet="LMSERVIC_PORT123", max_size=30))
def test_any_name_is_taken_or_refused(rest: str) -> None:
    name = f"LLMSVC_{rest}"

    assert all(line.startswith(f"{name}: ") for line in refusal(None, {name: "x"}))


@pytest.mark.parametrize(("name", "value"), QUOTED.items())
def test_a_value_in_quotation_marks_is_refused_with_the_remedy(name: str, value: str) -> None:
    (line,) = refusal(None, {name: value})

    assert line.startswith(f"{name}: ")
    assert "stands in quotation marks" in line
    assert "docker --env-file" in line
