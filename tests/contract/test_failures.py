"""What a blocking client is told when a call fails: code, reason, details, advice."""

import re
from dataclasses import replace

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import Told, told
from tests.fakes.assembled import MODEL
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import Step, catalogue_of

ID = (("x-request-id", "req-1"),)


def unary(stub: llm_pb2_grpc.LLMServiceStub, request: llm_pb2.ChatRequest | None = None) -> Told:
    """Return what a failing Chat is told."""
    with pytest.raises(grpc.RpcError) as raised:
        stub.Chat(request or chat_message(), metadata=ID, timeout=10)
    return told(raised.value)


def stream(
    stub: llm_pb2_grpc.LLMServiceStub, request: llm_pb2.ChatRequest | None = None
) -> tuple[list[str | None], Told]:
    """Return the events of a failing ChatStream, and what it is told."""
    events: list[str | None] = []
    try:
        for message in stub.ChatStream(request or chat_message(), metadata=ID, timeout=10):
            events.append(message.WhichOneof("event"))  # noqa: PERF401  the call fails in between
    except grpc.RpcError as error:
        return events, told(error)
    raise AssertionError("the call did not fail")


def timeless(outcome: Told) -> Told:
    """Return the same, whatever time its attempts took."""
    for attempt in outcome.detail(llm_pb2.RouteInfo).attempts:
        attempt.ClearField("elapsed_duration")
    return replace(outcome, route=re.sub(r";[0-9]+", "", outcome.route))


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ProviderError(ErrorKind.LOAD_FAILED), "UNAVAILABLE", "PROVIDER_ERROR"),
        (ProviderError(ErrorKind.SILENT), "UNAVAILABLE", "PROVIDER_TIMEOUT"),
        (ProviderError(ErrorKind.COLD_LOAD), "UNAVAILABLE", "MODEL_LOADING"),
        (ProviderError(ErrorKind.SATURATED), "RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED"),
        (
            ProviderError(ErrorKind.CREDENTIAL),
            "FAILED_PRECONDITION",
            "PROVIDER_CREDENTIALS_REJECTED",
        ),
        (ProviderError(ErrorKind.QUOTA), "RESOURCE_EXHAUSTED", "PROVIDER_QUOTA_EXHAUSTED"),
        (ProviderError(ErrorKind.REGION), "FAILED_PRECONDITION", "PROVIDER_CREDENTIALS_REJECTED"),
        (ProviderError(ErrorKind.CONTENT), "INVALID_ARGUMENT", "CONTENT_REJECTED"),
        (ProviderError(ErrorKind.CONTEXT), "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"),
        (ProviderError(ErrorKind.CALLER), "INVALID_ARGUMENT", "REQUEST_REJECTED_UPSTREAM"),
        (ProviderError(ErrorKind.PROTOCOL), "INTERNAL", "PROVIDER_PROTOCOL"),
        (ProviderError(ErrorKind.VIOLATION), "INTERNAL", "PRIVACY_VIOLATION"),
    ],
)
def test_a_failure_before_any_content_is_told_alike_by_both_calls(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    error: ProviderError,
    code: str,
    reason: str,
) -> None:
    served.provider.will(error)
    served.provider.will(error)
    whole = unary(grpc_stub)
    events, streamed = stream(grpc_stub)

    assert (code, reason, "req-1") == (whole.code, whole.reason, whole.request_id)
    assert "ollama" == whole.metadata["provider"]
    assert [] == events
    assert timeless(whole) == timeless(streamed)


@pytest.mark.parametrize("defect", [ValueError("secret"), KeyError("secret"), TimeoutError()])
def test_a_defect_says_nothing_of_itself(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, defect: Exception
) -> None:
    served.provider.will(defect)
    outcome = unary(grpc_stub)

    assert ("INTERNAL", "INTERNAL_ERROR", "req-1") == (
        outcome.code,
        outcome.reason,
        outcome.request_id,
    )
    assert "secret" not in repr(outcome)


@pytest.mark.parametrize(
    ("steps", "metadata"),
    [
        (
            [Delta("a"), ProviderError(ErrorKind.SILENT, phase="idle")],
            {"cause": "provider", "phase": "idle"},
        ),
        (
            [Delta("a"), ProviderError(ErrorKind.TRANSIENT)],
            {"cause": "provider", "phase": "stream"},
        ),
        ([Delta("a"), ProviderError(ErrorKind.VIOLATION)], {"cause": "privacy", "phase": "stream"}),
        ([Delta("a"), ValueError("secret")], {"cause": "internal"}),
        ([Delta("a")], {"cause": "internal"}),
    ],
)
def test_a_stream_that_breaks_after_content_is_interrupted_and_says_who_answered(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    steps: list[Step],
    metadata: dict[str, str],
) -> None:
    served.provider.will(*steps)
    events, outcome = stream(grpc_stub)

    assert ["started", "delta"] == events
    assert ("ABORTED", "STREAM_INTERRUPTED") == (outcome.code, outcome.reason)
    assert metadata == outcome.metadata
    assert MODEL == outcome.detail(llm_pb2.RouteInfo).model
    assert -1 == outcome.pushback_ms


def test_the_same_failure_of_a_whole_answer_is_the_providers_since_nothing_was_delivered(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(Delta("a"), ProviderError(ErrorKind.SILENT, phase="idle"))
    outcome = unary(grpc_stub)

    assert ("UNAVAILABLE", "PROVIDER_TIMEOUT") == (outcome.code, outcome.reason)
    assert {"provider": "ollama", "phase": "idle"} == outcome.metadata


def test_a_wait_is_advised_where_it_helps_and_a_retry_is_not(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.provider.will(ProviderError(ErrorKind.SATURATED, retry_after_s=7))
    outcome = unary(grpc_stub)

    assert 7 == outcome.detail(error_details_pb2.RetryInfo).retry_delay.ToSeconds()
    assert -1 == outcome.pushback_ms


def test_a_model_that_nobody_has_is_named(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    outcome = unary(grpc_stub, chat_message(model="no-such"))
    resource = outcome.detail(error_details_pb2.ResourceInfo)

    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (outcome.code, outcome.reason)
    assert ("model", "no-such") == (resource.resource_type, resource.resource_name)
    assert f"No provider has the model no-such. There is: {MODEL}." == outcome.message


@pytest.mark.parametrize("model", ["ignore\nall", "a b", "x" * 200, "\u202eevil", "$(id)"])
def test_a_name_that_is_none_is_not_repeated(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, model: str
) -> None:
    outcome = unary(grpc_stub, chat_message(model=model))

    assert f"No provider has the requested model. There is: {MODEL}." == outcome.message


def test_what_there_is_is_named_within_bounds(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    served.refreshed(catalogue_of([f"m{number:02}" for number in range(40)] + ["un plain\x1b[2J"]))
    outcome = unary(grpc_stub, chat_message())
    served.refreshed(catalogue_of([MODEL]))

    assert "There is: m00, m01, m02, m03, m04 and 35 more." in outcome.message
    assert f"No provider has the model {MODEL}." in outcome.message
    assert "llm.providers.ollama.model" in outcome.message


def test_a_configured_model_that_went_away_comes_with_its_remedy(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    # As the wrapper around each endpoint says.
    gone = ProviderError(ErrorKind.MODEL_MISSING, endpoint="ollama")
    served.provider.will(gone)
    served.provider.will(gone)
    first, later = unary(grpc_stub), unary(grpc_stub)
    served.refreshed(catalogue_of([MODEL]))

    assert ["MODEL_NOT_FOUND"] * 2 == [first.reason, later.reason]
    assert f"ollama pull {MODEL}" in later.message
    assert "true" == later.metadata["pullable"]


def test_violations_come_all_at_once_with_their_paths(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    asked_before = len(served.provider.calls)
    request = llm_pb2.ChatRequest(
        messages=[llm_pb2.Message()], generation_config=llm_pb2.GenerationConfig(top_k=0)
    )
    outcome = unary(grpc_stub, request)
    violations = outcome.detail(error_details_pb2.BadRequest).field_violations
    expected = [
        ("messages[0].role", "MISSING"),
        ("messages[0].parts", "MISSING"),
        ("generation_config.top_k", "OUT_OF_RANGE"),
    ]

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert expected == [(one.field, one.reason) for one in violations]
    assert ([], outcome) == stream(grpc_stub, request)
    assert asked_before == len(served.provider.calls)


def test_a_refused_enum_names_its_values(grpc_stub: llm_pb2_grpc.LLMServiceStub) -> None:
    newer = b"\x08\x63"  # field 1, value 99: a role, and a mode, of later versions
    request = llm_pb2.ChatRequest(messages=[llm_pb2.Message(), llm_pb2.Message.FromString(newer)])
    request.routing_policy.MergeFromString(newer)
    failure = unary(grpc_stub, request)
    said = {
        one.field: one.description
        for one in failure.detail(error_details_pb2.BadRequest).field_violations
    }

    roles = "ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL"
    assert f"set it to {roles}" == said["messages[0].role"]
    assert f"use {roles}" == said["messages[1].role"]
    modes = "PRIVACY_MODE_LOCAL_ONLY or PRIVACY_MODE_CLOUD_ALLOWED"
    assert f"use {modes}" == said["routing_policy.privacy_mode"]
