import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from llmsvc_server.rpc.descriptors import Descriptors

OURS = "llmsvc/v1/llm.proto"
LINKED_IN = (error_details_pb2, health_pb2)
"""Files that are found because they are imported, in the server as here."""


def files(descriptors: Descriptors, name: str) -> list[descriptor_pb2.FileDescriptorProto]:
    read = descriptor_pb2.FileDescriptorProto.FromString
    return [read(raw) for raw in descriptors.with_imports(name)]


def test_our_file_comes_with_its_comments() -> None:
    ours = files(Descriptors(), OURS)[0]
    comments = [place.leading_comments for place in ours.source_code_info.location]

    assert OURS == ours.name
    assert " Runs the same completion and delivers it while it is produced." in "".join(comments)


def test_a_file_comes_first_and_what_it_imports_after_it_once() -> None:
    names = [file.name for file in files(Descriptors(), "google/rpc/error_details.proto")]

    assert ["google/rpc/error_details.proto", "google/protobuf/duration.proto"] == names


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("llmsvc.v1.LLMService", OURS),
        ("llmsvc.v1.LLMService.Chat", OURS),
        ("llmsvc.v1.ChatRequest", OURS),
        ("llmsvc.v1.ChatRequest.model", OURS),
        ("llmsvc.v1.ErrorReason", OURS),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("grpc.health.v1.Health", "grpc_health/v1/health.proto"),
    ],
)
def test_a_symbol_leads_to_its_file(symbol: str, file: str) -> None:
    assert file == Descriptors().file_of(symbol)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nope",
        "llmsvc.v1.Nope",
        "\x00",
        "a" * 100_000,
        "..",
        "ü",
        "llmsvc.v1.LLMService.Nope",
        "Chat",
    ],
)
def test_what_does_not_exist_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        Descriptors().file_of(name)
    with pytest.raises(KeyError):
        Descriptors().with_imports(name)
