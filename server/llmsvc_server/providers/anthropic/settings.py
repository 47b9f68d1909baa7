"""What of a caller's sampling a model takes, and what is told of the rest. Pure.

Source: docs/facts/providers.md 2.1 and 3.1.
"""

from collections.abc import Iterable, Iterator

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.request import Sampling
from llmsvc_server.chat.value import value
from llmsvc_server.providers.anthropic.profiles import Steering, steering_of

MAX_TEMPERATURE = 1.0

_UNKNOWN = ("min_p", "frequency_penalty", "presence_penalty", "repeat_penalty", "seed")
_STEERING = ("temperature", "top_p", "top_k")


@value
class Settings:
    """What is sent of a request's sampling, and an adjustment for all that is not as asked."""

    max_tokens: int
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: tuple[str, ...]
    adjustments: tuple[Adjustment, ...]


def settings_for(
    model: str, sampling: Sampling, *, temperature: float | None, max_tokens: int
) -> Settings:
    """Return what to send.

    Args:
        model: In the provider's spelling.
        sampling: What the caller asks for.
        temperature: For requests that set none; None leaves it to the model.
        max_tokens: The answer's limit, at least 1.
    """
    steering = steering_of(model)
    takes_both = steering is Steering.ALL
    takes_any = steering is not Steering.NONE
    if sampling.temperature is not None:
        temperature = sampling.temperature
    elif sampling.top_p is not None and not takes_both:
        temperature = None  # the caller's choice goes before the configuration's
    takes_top_p = takes_any and (takes_both or sampling.temperature is None)
    return Settings(
        max_tokens=max_tokens,
        temperature=_at_most_one(temperature) if takes_any else None,
        top_p=sampling.top_p if takes_top_p else None,
        top_k=sampling.top_k if takes_any else None,
        stop_sequences=_find_usable_stops(sampling),
        adjustments=(*sampling.report_limit(max_tokens), *_report_changes(sampling, steering)),
    )


def _at_most_one(temperature: float | None) -> float | None:
    return None if temperature is None else min(temperature, MAX_TEMPERATURE)


def _find_usable_stops(sampling: Sampling) -> tuple[str, ...]:
    """Return the stop sequences that are sent: the provider refuses blank ones."""
    return tuple(one for one in sampling.stop_sequences if not one.isspace())


def _report_changes(sampling: Sampling, steering: Steering) -> Iterator[Adjustment]:
    """Yield an adjustment for each setting of the caller's that is not sent as it is."""
    yield from _report_ignored(sampling, _UNKNOWN, "The provider has no such setting.")
    if len(_find_usable_stops(sampling)) < len(sampling.stop_sequences):
        yield Adjustment(
            field="generation_config.stop_sequences",
            action=Action.IGNORED,
            description="The provider takes none that is white space only.",
        )
    if steering is Steering.NONE:
        yield from _report_ignored(sampling, _STEERING, "The model takes no such setting.")
        return
    if sampling.temperature is None:
        return
    if steering is Steering.ONE:
        yield from _report_ignored(
            sampling, ("top_p",), "The model takes this or temperature, not both."
        )
    if sampling.temperature > MAX_TEMPERATURE:
        yield Adjustment(
            field="generation_config.temperature",
            action=Action.CLAMPED,
            description=f"Brought down to {MAX_TEMPERATURE:g}, the provider's limit.",
        )


def _report_ignored(
    sampling: Sampling, names: Iterable[str], description: str
) -> Iterator[Adjustment]:
    for name in names:
        if getattr(sampling, name) is not None:
            yield Adjustment(
                field=f"generation_config.{name}",
                action=Action.IGNORED,
                description=description,
            )
