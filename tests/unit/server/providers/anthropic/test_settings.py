"""What each family of models is sent of a caller's sampling, and what the caller is told."""

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.request import Sampling
from llmsvc_server.providers.anthropic.settings import Settings, settings_for

ONE = ("claude-opus-4-1", "claude-sonnet-4-5-20250929", "claude-haiku-4-5", "claude-opus-4-6")
NONE = (
    *("claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5-20261001"),
    *("claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1", "claude-mythos-5"),
)
OTHER = ("claude-3-5-haiku-latest", "claude-opus-4-20250514", "glm-4.6", "")


def made(model: str, configured: float | None = 0.7, **sampling: object) -> Settings:
    asked = Sampling(**sampling)  # type: ignore[arg-type]  # the fields of `Sampling`
    return settings_for(model, asked, temperature=configured, max_tokens=asked.limit(100))


def sent(settings: Settings) -> tuple[float | None, float | None, int | None]:
    return settings.temperature, settings.top_p, settings.top_k


def told(settings: Settings) -> list[tuple[str, Action]]:
    return [
        (one.field.removeprefix("generation_config."), one.action) for one in settings.adjustments
    ]


@pytest.mark.parametrize("model", OTHER)
def test_a_model_of_no_known_family_is_sent_everything(model: str) -> None:
    settings = made(model, temperature=0.5, top_p=0.9, top_k=5)

    assert ((0.5, 0.9, 5), []) == (sent(settings), told(settings))
    assert (0.7, 0.9, None) == sent(made(model, top_p=0.9))


@pytest.mark.parametrize("model", ONE)
def test_a_model_that_takes_one_of_two_is_sent_the_temperature(model: str) -> None:
    settings = made(model, temperature=0.5, top_p=0.9, top_k=5)

    assert ((0.5, None, 5), [("top_p", Action.IGNORED)]) == (sent(settings), told(settings))


@pytest.mark.parametrize("model", ONE)
def test_a_callers_top_p_goes_before_the_configurations_temperature(model: str) -> None:
    settings = made(model, top_p=0.9)

    assert ((None, 0.9, None), []) == (sent(settings), told(settings))
    assert (0.7, None, None) == sent(made(model))


@pytest.mark.parametrize("model", NONE)
def test_a_model_that_takes_none_is_sent_none_and_the_caller_is_told(model: str) -> None:
    settings = made(model, temperature=1.5, top_p=0.9, top_k=5)
    expected = [(name, Action.IGNORED) for name in ("temperature", "top_p", "top_k")]

    assert ((None, None, None), expected) == (sent(settings), told(settings))


@pytest.mark.parametrize("model", NONE)
def test_a_configured_temperature_that_is_dropped_is_not_the_callers_affair(model: str) -> None:
    settings = made(model)

    assert ((None, None, None), []) == (sent(settings), told(settings))


@pytest.mark.parametrize(
    ("asked", "goes", "changes"),
    [(0.0, 0.0, []), (1.0, 1.0, []), (1.01, 1.0, [Action.CLAMPED]), (2.0, 1.0, [Action.CLAMPED])],
)
def test_a_temperature_above_one_is_brought_down(
    asked: float, goes: float, changes: list[Action]
) -> None:
    settings = made("claude-haiku-4-5", temperature=asked)

    assert goes == settings.temperature
    assert [("temperature", change) for change in changes] == told(settings)


def test_a_configured_temperature_above_one_is_brought_down_in_silence() -> None:
    settings = made("claude-haiku-4-5", configured=1.5)

    assert (1.0, []) == (settings.temperature, told(settings))
    assert made("claude-haiku-4-5", configured=None).temperature is None


@pytest.mark.parametrize(
    "name", ["min_p", "frequency_penalty", "presence_penalty", "repeat_penalty", "seed"]
)
def test_says_which_setting_the_provider_does_not_have(name: str) -> None:
    assert [(name, Action.IGNORED)] == told(made("claude-haiku-4-5", **{name: 0}))


@pytest.mark.parametrize(
    ("asked", "goes", "changes"),
    [(None, 100, []), (7, 7, []), (100, 100, []), (101, 100, [Action.CLAMPED])],
)
def test_always_bounds_the_answer(asked: int | None, goes: int, changes: list[Action]) -> None:
    settings = made("claude-haiku-4-5", max_output_tokens=asked)

    assert goes == settings.max_tokens
    assert [("max_output_tokens", change) for change in changes] == told(settings)
