import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.answers import Attempt
from llmsvc_client.convert import (
    to_adjustment,
    to_attempt,
    to_progress,
    to_reply,
    to_route,
    to_usage,
)
from llmsvc_client.messages import user
from llmsvc_client.types import (
    CountMethod,
    FinishReason,
    Locality,
    Message,
    Phase,
    Privacy,
    ProviderKind,
    Role,
    Sampling,
    Target,
)

NEWER_VALUE = 99


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (llm_pb2.FINISH_REASON_UNSPECIFIED, FinishReason.UNKNOWN),
        (llm_pb2.FINISH_REASON_STOP, FinishReason.STOP),
        (llm_pb2.FINISH_REASON_STOP_SEQUENCE, FinishReason.STOP_SEQUENCE),
        (llm_pb2.FINISH_REASON_MAX_TOKENS, FinishReason.MAX_TOKENS),
        (llm_pb2.FINISH_REASON_CONTEXT_LENGTH, FinishReason.CONTEXT_LENGTH),
        (llm_pb2.FINISH_REASON_CONTENT_FILTER, FinishReason.CONTENT_FILTER),
        (llm_pb2.FINISH_REASON_REFUSAL, FinishReason.REFUSAL),
        (llm_pb2.FINISH_REASON_OTHER, FinishReason.OTHER),
        (NEWER_VALUE, FinishReason.UNKNOWN),
    ],
)
def test_finish_reasons(value: llm_pb2.FinishReason.ValueType, reason: FinishReason) -> None:
    assert reason is to_reply(llm_pb2.ChatResponse(finish_reason=value)).finish_reason


@pytest.mark.parametrize(
    ("value", "locality"),
    [
        (llm_pb2.LOCALITY_UNSPECIFIED, Locality.UNKNOWN),
        (llm_pb2.LOCALITY_LOCAL, Locality.LOCAL),
        (llm_pb2.LOCALITY_REMOTE, Locality.REMOTE),
        (NEWER_VALUE, Locality.UNKNOWN),
    ],
)
def test_localities(value: llm_pb2.Locality.ValueType, locality: Locality) -> None:
    assert locality is to_route(llm_pb2.RouteInfo(locality=value)).locality


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (llm_pb2.PROVIDER_KIND_UNSPECIFIED, ProviderKind.UNKNOWN),
        (llm_pb2.PROVIDER_KIND_OLLAMA, ProviderKind.OLLAMA),
        (llm_pb2.PROVIDER_KIND_OPENAI, ProviderKind.OPENAI),
        (llm_pb2.PROVIDER_KIND_ANTHROPIC, ProviderKind.ANTHROPIC),
        (llm_pb2.PROVIDER_KIND_MOCK, ProviderKind.MOCK),
        (NEWER_VALUE, ProviderKind.UNKNOWN),
    ],
)
def test_provider_kinds(value: llm_pb2.ProviderKind.ValueType, kind: ProviderKind) -> None:
    assert kind is to_route(llm_pb2.RouteInfo(provider_kind=value)).kind


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (llm_pb2.Adjustment.ACTION_UNSPECIFIED, "unknown"),
        (llm_pb2.Adjustment.ACTION_IGNORED, "ignored"),
        (llm_pb2.Adjustment.ACTION_CLAMPED, "clamped"),
        (NEWER_VALUE, "unknown"),
    ],
)
def test_adjustments(value: llm_pb2.Adjustment.Action.ValueType, word: str) -> None:
    assert word == to_adjustment(llm_pb2.Adjustment(action=value)).action


@pytest.mark.parametrize(
    ("value", "privacy"),
    [
        (llm_pb2.PRIVACY_MODE_UNSPECIFIED, Privacy.UNKNOWN),
        (llm_pb2.PRIVACY_MODE_LOCAL_ONLY, Privacy.LOCAL_ONLY),
        (llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED, Privacy.CLOUD_ALLOWED),
        (NEWER_VALUE, Privacy.UNKNOWN),
    ],
)
def test_privacy_modes(value: llm_pb2.PrivacyMode.ValueType, privacy: Privacy) -> None:
    assert privacy is to_route(llm_pb2.RouteInfo(effective_privacy_mode=value)).privacy


@pytest.mark.parametrize(
    ("value", "method"),
    [
        (llm_pb2.TOKEN_COUNT_METHOD_UNSPECIFIED, CountMethod.UNKNOWN),
        (llm_pb2.TOKEN_COUNT_METHOD_REPORTED, CountMethod.REPORTED),
        (llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED, CountMethod.ESTIMATED),
        (NEWER_VALUE, CountMethod.UNKNOWN),
    ],
)
def test_count_methods(value: llm_pb2.TokenCountMethod.ValueType, method: CountMethod) -> None:
    usage = to_usage(llm_pb2.Usage(input_method=value, output_method=value))

    assert (method, method) == (usage.input_method, usage.output_method)


@pytest.mark.parametrize(
    ("value", "phase"),
    [
        (llm_pb2.StreamProgress.PHASE_UNSPECIFIED, Phase.UNKNOWN),
        (llm_pb2.StreamProgress.PHASE_QUEUED, Phase.QUEUED),
        (llm_pb2.StreamProgress.PHASE_LOADING_MODEL, Phase.LOADING_MODEL),
        (llm_pb2.StreamProgress.PHASE_WAITING_FOR_PROVIDER, Phase.WAITING_FOR_PROVIDER),
        (llm_pb2.StreamProgress.PHASE_GENERATING, Phase.GENERATING),
        (NEWER_VALUE, Phase.UNKNOWN),
    ],
)
def test_phases(value: llm_pb2.StreamProgress.Phase.ValueType, phase: Phase) -> None:
    assert phase is to_progress(llm_pb2.StreamProgress(phase=value)).phase


def test_a_sign_of_life_adds_no_text_and_may_say_nothing() -> None:
    progress = to_progress(llm_pb2.StreamProgress())

    assert ("", None, None) == (progress.text, progress.elapsed_s, progress.target)


def test_a_sign_of_life_says_what_is_tried_and_since_when() -> None:
    event = llm_pb2.StreamProgress(target=llm_pb2.RouteTarget(provider="ollama", model="phi3:mini"))
    event.elapsed_duration.FromMilliseconds(1500)

    progress = to_progress(event)

    assert (1.5, Target("ollama", "phi3:mini")) == (progress.elapsed_s, progress.target)


def test_a_failed_attempt_has_its_code_reason_and_time() -> None:
    message = llm_pb2.RouteAttempt(
        target=llm_pb2.RouteTarget(provider="openai", model="gpt-4o-mini"),
        locality=llm_pb2.LOCALITY_REMOTE,
        status_code=8,
        reason=llm_pb2.ERROR_REASON_PROVIDER_RATE_LIMITED,
        content_sent=True,
    )
    message.elapsed_duration.FromMilliseconds(250)

    assert Attempt(
        provider="openai",
        model="gpt-4o-mini",
        locality=Locality.REMOTE,
        code="RESOURCE_EXHAUSTED",
        reason="PROVIDER_RATE_LIMITED",
        elapsed_s=0.25,
        content_sent=True,
        raw=message,
    ) == to_attempt(message)


def test_an_attempt_that_answered_is_ok_without_a_reason() -> None:
    attempt = to_attempt(llm_pb2.RouteAttempt())

    assert ("OK", "", None) == (attempt.code, attempt.reason, attempt.elapsed_s)


def test_newer_codes_and_reasons_are_kept_as_numbers() -> None:
    newer = llm_pb2.RouteAttempt(status_code=NEWER_VALUE, reason=NEWER_VALUE)  # type: ignore[arg-type]  # newer than the stubs

    attempt = to_attempt(newer)

    assert ("99", "99") == (attempt.code, attempt.reason)


def test_a_negative_time_is_none_at_all() -> None:
    attempt = llm_pb2.RouteAttempt()
    attempt.elapsed_duration.seconds = -5

    assert 0 == to_attempt(attempt).elapsed_s


def test_unset_times_are_unknown() -> None:
    response = llm_pb2.ChatResponse(provider_response_id="chatcmpl-1")
    response.timings.total_duration.FromMilliseconds(1500)
    response.timings.queue_duration.FromMilliseconds(0)

    reply = to_reply(response)

    assert (1.5, 0, None, None, None, None) == (
        reply.timings.total_s,
        reply.timings.queue_s,
        reply.timings.first_token_s,
        reply.timings.model_load_s,
        reply.timings.prompt_s,
        reply.timings.generation_s,
    )
    assert "chatcmpl-1" == reply.provider_response_id


def test_every_time_of_the_contract_has_its_own() -> None:
    response = llm_pb2.ChatResponse()
    response.timings.first_token_duration.FromSeconds(1)
    response.timings.model_load_duration.FromSeconds(2)
    response.timings.prompt_duration.FromSeconds(3)
    response.timings.generation_duration.FromSeconds(4)

    timings = to_reply(response).timings

    assert (1, 2, 3, 4) == (
        timings.first_token_s,
        timings.model_load_s,
        timings.prompt_s,
        timings.generation_s,
    )


def test_counts_of_the_cache_are_parts_of_their_own() -> None:
    usage = to_usage(llm_pb2.Usage(cached_input_tokens=0, cache_write_input_tokens=7))

    assert (0, 7) == (usage.cached_input_tokens, usage.cache_write_input_tokens)


def test_unset_counts_are_unknown_and_zero_is_zero() -> None:
    usage = to_usage(llm_pb2.Usage(input_tokens=0))

    assert (0, None, None) == (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert (None, None) == (usage.cached_input_tokens, usage.cache_write_input_tokens)


def test_joins_the_parts_of_an_answer_and_keeps_them_apart_in_its_message() -> None:
    response = llm_pb2.ChatResponse()
    response.message.parts.add(text="Hel")
    response.message.parts.add(text="lo")

    reply = to_reply(response)

    assert "Hello" == reply.text
    assert Message(Role.ASSISTANT, parts=["Hel", "lo"]) == reply.message


def test_no_repr_shows_a_text() -> None:
    response = llm_pb2.ChatResponse(stop_sequence="secret")
    response.message.parts.add(text="secret")

    shown = repr([to_reply(response), user("secret"), Sampling(stop_sequences=("secret",))])

    assert "secret" not in shown
