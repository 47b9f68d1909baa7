"""Server reflection as grpcurl and others use it, in both versions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from llmsvc_server.rpc.open_streams import OpenStreams
from tests.contract.calls import provider_of
from tests.contract.told import told
from tests.fakes.assembled import assembled
from tests.fakes.eventually import PATIENCE_S

VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
SERVICES = [
    "llmsvc.v1.LLMService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]
Request = reflection_pb2.ServerReflectionRequest
Response = reflection_pb2.ServerReflectionResponse


@pytest.fixture(params=VERSIONS)
def method(request: pytest.FixtureRequest) -> str:
    """Each version's full method name."""
    return f"/{request.param}.ServerReflection/ServerReflectionInfo"


def asked(channel: grpc.Channel, method: str, *requests: Request) -> list[Response]:
    """Return the answers to requests on one stream."""
    call = channel.stream_stream(method, Request.SerializeToString, Response.FromString)
    return list(call(iter(requests), timeout=10))


def files(response: Response) -> list[descriptor_pb2.FileDescriptorProto]:
    read = descriptor_pb2.FileDescriptorProto.FromString
    return [read(raw) for raw in response.file_descriptor_response.file_descriptor_proto]


def test_only_what_is_served_is_listed(grpc_channel: grpc.Channel, method: str) -> None:
    (response,) = asked(grpc_channel, method, Request(list_services=""))

    assert SERVICES == [one.name for one in response.list_services_response.service]


@pytest.mark.parametrize(
    "request_",
    [
        Request(file_containing_symbol="llmsvc.v1.LLMService"),
        Request(file_containing_symbol="llmsvc.v1.LLMService.ChatStream"),
        Request(file_containing_symbol="llmsvc.v1.ChatRequest.model"),
        Request(file_by_filename="llmsvc/v1/llm.proto"),
    ],
)
def test_our_contract_comes_with_its_comments(
    grpc_channel: grpc.Channel, method: str, request_: Request
) -> None:
    (response,) = asked(grpc_channel, method, request_)
    file, *imported = files(response)
    comments = "".join(place.leading_comments for place in file.source_code_info.location)

    assert "llmsvc/v1/llm.proto" == file.name
    assert ["google/protobuf/duration.proto"] == [one.name for one in imported]
    assert "Model or alias to run. Empty selects the server's default model." in comments


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (
            Request(file_by_filename="google/rpc/error_details.proto"),
            ["google/rpc/error_details.proto", "google/protobuf/duration.proto"],
        ),
        (
            Request(file_containing_symbol="google.rpc.BadRequest"),
            ["google/rpc/error_details.proto", "google/protobuf/duration.proto"],
        ),
        (
            Request(file_containing_symbol="grpc.health.v1.Health"),
            ["grpc_health/v1/health.proto"],
        ),
    ],
)
def test_what_is_needed_to_read_details_and_health_is_served_too(
    grpc_channel: grpc.Channel, method: str, request_: Request, names: Sequence[str]
) -> None:
    (response,) = asked(grpc_channel, method, request_)

    assert names == [file.name for file in files(response)]


@pytest.mark.parametrize(
    "request_",
    [
        Request(file_by_filename="nope.proto"),
        Request(file_by_filename=""),
        Request(file_containing_symbol="nope"),
        Request(file_containing_symbol="llmsvc.v1.LLMService.Nope"),
        Request(file_containing_symbol="x" * 4_000),
        Request(file_containing_extension=reflection_pb2.ExtensionRequest(containing_type="x")),
        Request(all_extension_numbers_of_type="nope"),
        Request(),
    ],
)
def test_what_does_not_exist_is_an_answer_and_the_stream_goes_on(
    grpc_channel: grpc.Channel, method: str, request_: Request
) -> None:
    lost, found = asked(grpc_channel, method, request_, Request(list_services=""))

    assert (grpc.StatusCode.NOT_FOUND.value[0], "Not found.") == (
        lost.error_response.error_code,
        lost.error_response.error_message,
    )
    assert request_ == lost.original_request
    assert found.list_services_response.service


def test_a_message_type_has_no_extensions(grpc_channel: grpc.Channel, method: str) -> None:
    request = Request(all_extension_numbers_of_type="llmsvc.v1.ChatRequest")
    (response,) = asked(grpc_channel, method, request)

    assert "llmsvc.v1.ChatRequest" == response.all_extension_numbers_response.base_type_name
    assert [] == list(response.all_extension_numbers_response.extension_number)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"\xff", "request: not a message of this method's type"),
        (Request(file_containing_symbol="x" * 4096), "request: send at most 4096 bytes"),
    ],
    ids=["no message", "too long"],
)
def test_bytes_that_are_no_request_end_the_stream_with_a_reason(
    grpc_channel: grpc.Channel, method: str, request_: bytes | Request, message: str
) -> None:
    raw = request_ if isinstance(request_, bytes) else request_.SerializeToString()
    call: Callable[..., Iterator[bytes]] = grpc_channel.stream_stream(method, None, None)
    with pytest.raises(grpc.RpcError) as raised:
        list(call(iter([raw]), timeout=10))
    outcome = told(raised.value)

    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (outcome.code, outcome.reason)
    assert message == outcome.message
    assert outcome.request_id


OVERLOADED = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")


async def test_the_fifth_stream_of_a_connection_is_refused() -> None:
    gate = asyncio.Event()

    async def one_and_wait() -> AsyncIterator[Request]:
        yield Request(list_services="")
        await gate.wait()

    async with assembled(provider_of()) as service:
        method = service.channel.stream_stream(
            f"/{VERSIONS[0]}.ServerReflection/ServerReflectionInfo",
            Request.SerializeToString,
            Response.FromString,
        )
        streams = [method(one_and_wait(), timeout=10) for _ in range(4)]
        for stream in streams:
            await stream.read()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await method(timeout=10).read()
        gate.set()
        codes = [await stream.code() for stream in streams]
    failure = told(raised.value)

    assert (*OVERLOADED, True) == (failure.code, failure.reason, bool(failure.request_id))
    assert "4 streams of reflection" in failure.message
    assert [grpc.StatusCode.OK] * 4 == codes


def test_a_stream_answers_a_thousand_requests(grpc_channel: grpc.Channel, method: str) -> None:
    request = Request(file_by_filename="nope")
    assert 1_000 == len(asked(grpc_channel, method, *[request] * 1_000))
    with pytest.raises(grpc.RpcError) as raised:
        asked(grpc_channel, method, *[request] * 1_001)
    failure = told(raised.value)

    assert OVERLOADED == (failure.code, failure.reason)
    assert "1000 requests" in failure.message


async def test_a_stream_that_stays_open_is_ended() -> None:
    bounds = OpenStreams("reflection", per_connection=1, in_all=1, max_s=0.1)
    async with assembled(provider_of(), reflecting=bounds) as service:
        method = f"/{VERSIONS[0]}.ServerReflection/ServerReflectionInfo"
        call = service.channel.stream_stream(method, bytes, bytes)(timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    failure = told(raised.value)

    assert OVERLOADED == (failure.code, failure.reason)
    assert "ends after 0.1 s" in failure.message


async def test_it_can_be_off() -> None:
    async with assembled(provider_of(), reflection=False) as service:
        method = f"/{VERSIONS[0]}.ServerReflection/ServerReflectionInfo"
        # Nothing is written: a write behind the end hides the status (grpcio's client).
        call = service.channel.stream_stream(method, bytes, bytes)(timeout=PATIENCE_S)

        assert grpc.StatusCode.UNIMPLEMENTED is await call.code()
