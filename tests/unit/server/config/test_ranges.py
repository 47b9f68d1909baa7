"""Numbers and choices: what is taken, what is refused, and what follows from what."""

from pathlib import Path
from typing import get_args

import pytest
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from llmsvc_server.config.keys import Path as Place
from llmsvc_server.config.keys import environment_name, keys
from llmsvc_server.config.words import format_value
from tests.unit.server.config.loading import loaded, problems, refusal


def bounds(field: FieldInfo) -> tuple[str, str] | None:
    """Return the least and the greatest value of a number."""
    least = [mark.ge for mark in field.metadata if isinstance(mark, Ge)]
    greatest = [mark.le for mark in field.metadata if isinstance(mark, Le)]
    return (format_value(least[0]), format_value(greatest[0])) if least and greatest else None


NUMBERS = {place: limits for place, field in keys().items() if (limits := bounds(field))}
CHOICES = [
    ("health.require", "any, local, none"),
    ("observability.log_level", "debug, info, warning, error"),
    ("observability.log_format", "auto, json, text"),
]
CAP = {
    "LLMSVC_LIMITS__DEADLINE_CAP_S": "86400",
    "LLMSVC_LIMITS__MAX_MESSAGE_BYTES": "65536",
    "LLMSVC_LLM__PROVIDERS__OLLAMA__TIMEOUT": "0.1",
    "LLMSVC_LLM__PROVIDERS__OPENAI__HIDDEN_THINKING": "false",
    "LLMSVC_LLM__PROVIDERS__OPENAI__TIMEOUT": "0.1",
    "LLMSVC_LLM__DEFAULT_PROVIDER": "ollama",
    "LLMSVC_SERVER__MAX_REQUEST_BYTES": "1073741824",
}


def test_every_number_has_a_range() -> None:
    numeric = {
        place
        for place, field in keys().items()
        if {int, float} & {field.annotation, *get_args(field.annotation)}
    }

    assert set(NUMBERS) == numeric


@pytest.mark.parametrize("place", NUMBERS, ids=".".join)
def test_the_ends_of_a_range_are_taken(place: Place) -> None:
    for value in NUMBERS[place]:
        assert [] == refusal(None, {**CAP, environment_name(place): value})


@pytest.mark.parametrize("place", NUMBERS, ids=".".join)
def test_beyond_a_range_is_refused_with_the_range(place: Place) -> None:
    least, greatest = NUMBERS[place]
    name = environment_name(place)
    for value in (
        format_value(float(least) - 0.5),
        str(int(greatest) + 1),
        "nan",
        "inf",
        "-inf",
        "1e9",
    ):
        (line,) = refusal(None, {**CAP, name: value})

        assert line.startswith(f"{name}: {'.'.join(place)}: ")
        assert f"number from {least} to {greatest}" in line


@pytest.mark.parametrize(("path", "choices"), CHOICES)
def test_another_choice_is_refused_with_the_choices(
    tmp_path: Path, path: str, choices: str
) -> None:
    section, key = path.split(".")

    assert [f"settings.yaml:2: {path}: not accepted; allowed: {choices}"] == problems(
        tmp_path, f"{section}:\n  {key}: loud\n"
    )
    for choice in choices.split(", "):
        assert [] == problems(tmp_path, f"{section}:\n  {key}: {choice}\n")


def test_silence_limits_follow_timeout(tmp_path: Path) -> None:
    text = "llm: {providers: {ollama: {timeout: 400}}}"
    entry = loaded(tmp_path, text).settings.llm.candidates["ollama"].model_dump()

    assert entry["first_token_timeout_s"] == 400
    assert entry["idle_timeout_s"] == 400
    assert entry["cold_timeout_s"] == 400


def test_a_short_timeout_leaves_cold_models_their_time(tmp_path: Path) -> None:
    text = "llm: {providers: {ollama: {timeout: 5, idle_timeout_s: 7}}}"
    entry = loaded(tmp_path, text).settings.llm.candidates["ollama"].model_dump()

    assert entry["first_token_timeout_s"] == 5
    assert entry["idle_timeout_s"] == 7
    assert entry["cold_timeout_s"] == 300


def test_a_cold_model_cannot_get_less_time_than_a_warm_one(tmp_path: Path) -> None:
    text = "llm:\n  providers:\n    ollama:\n      cold_timeout_s: 59\n"

    assert [
        (
            "settings.yaml:4: llm.providers.ollama.cold_timeout_s: is less than the limit for a"
            " model that is in memory already; give at least 60, or lower first_token_timeout_s"
        )
    ] == problems(tmp_path, text)


def test_default_deadlines_stay_below_a_lower_cap(tmp_path: Path) -> None:
    limits = loaded(tmp_path, "limits: {deadline_cap_s: 90}").settings.limits

    assert limits.chat_deadline_s == 90
    assert limits.stream_deadline_s == 90


def test_deadlines_above_the_cap_are_refused_together(tmp_path: Path) -> None:
    text = "limits:\n  stream_deadline_s: 1801\n  chat_deadline_s: 1802\n"
    why = "is more than limits.deadline_cap_s; lower it, or raise limits.deadline_cap_s"

    assert [
        f"settings.yaml:3: limits.chat_deadline_s: {why}",
        f"settings.yaml:2: limits.stream_deadline_s: {why}",
    ] == problems(tmp_path, text)


@pytest.mark.parametrize(
    "wait",
    ["timeout", "queue_timeout_s", "first_token_timeout_s", "idle_timeout_s", "cold_timeout_s"],
)
def test_a_wait_beyond_the_cap_is_refused(tmp_path: Path, wait: str) -> None:
    text = f"llm:\n  providers:\n    ollama:\n      {wait}: 1801\n"
    (line,) = problems(tmp_path, text)

    assert line == (
        f"settings.yaml:4: llm.providers.ollama.{wait}: is more than limits.deadline_cap_s, so the"
        " call would end before this wait; lower it, or raise limits.deadline_cap_s"
    )


def test_a_cap_below_default_waits_is_taken(tmp_path: Path) -> None:
    assert [] == problems(tmp_path, "limits: {deadline_cap_s: 30}")
