"""What a server only refuses when it is asked: done without where the request lets it."""

import grpc
import pytest

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.loop_thread import served_elsewhere
from tests.contract.told import told
from tests.fakes.assembled import MODEL
from tests.fakes.scripted_provider import ScriptedProvider, done
from tests.fakes.tool_requests import asked


@pytest.mark.parametrize("field", ["tools", "tools[0].type", "tool_choice"])
@pytest.mark.parametrize(
    ("action", "told_as"),
    [
        (llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE, llm_pb2.Adjustment.ACTION_EMULATED),
        (llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE, llm_pb2.Adjustment.ACTION_IGNORED),
    ],
)
def test_what_a_server_only_refuses_when_it_is_asked_is_done_without(
    action: llm_pb2.UnsupportedFeatureAction.ValueType,
    told_as: llm_pb2.Adjustment.Action.ValueType,
    field: str,
) -> None:
    request = asked()
    request.unsupported_feature_action = action
    provider = ScriptedProvider(models=[MODEL])
    provider.will(ProviderError(ErrorKind.CAPABILITY, param=field))
    provider.will(Delta('{"action": "answer", "answer": "Rain."}'), done())
    with (
        served_elsewhere(provider) as server,
        grpc.insecure_channel(server.service.address) as channel,
    ):
        answer = llm_pb2_grpc.LLMServiceStub(channel).Chat(request, timeout=10)

    assert "Rain." in answer.message.parts[0].text
    assert {"tools": told_as} == {one.field: one.action for one in answer.adjustments}
    assert () == provider.calls[-1].request.features.tools
    assert ["ERROR_REASON_CAPABILITY_UNSUPPORTED", "ERROR_REASON_UNSPECIFIED"] == [
        llm_pb2.ErrorReason.Name(one.reason) for one in answer.route.attempts
    ]


@pytest.mark.parametrize(
    ("action", "field"),
    [
        (llm_pb2.UNSUPPORTED_FEATURE_ACTION_FAIL, "tools"),
        (llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE, "seed"),
        (llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE, ""),
    ],
)
def test_what_may_not_be_done_without_is_a_failure(
    action: llm_pb2.UnsupportedFeatureAction.ValueType, field: str
) -> None:
    request = asked()
    request.unsupported_feature_action = action
    provider = ScriptedProvider(models=[MODEL])
    provider.usually(ProviderError(ErrorKind.CAPABILITY, param=field))
    with (
        served_elsewhere(provider) as server,
        grpc.insecure_channel(server.service.address) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        llm_pb2_grpc.LLMServiceStub(channel).Chat(request, timeout=10)

    assert "CAPABILITY_UNSUPPORTED" == told(failed.value).reason
    assert 1 == len(provider.calls)
