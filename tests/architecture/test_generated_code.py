"""What is generated from llm.proto is fresh: stubs, their types, the descriptor set."""

from pathlib import Path

import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2
from tests.architecture.command import run


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of files as `make protos` would write them now."""
    folder = tmp_path_factory.mktemp("protos")
    made = run("bash", ".ci/protos.sh", folder)
    assert made.returncode == 0, made.stderr
    return folder / "llmsvc/v1"


@pytest.mark.parametrize(
    "name",
    ["llm_pb2.py", "llm_pb2.pyi", "llm_pb2_grpc.py", "llm_pb2_grpc.pyi", "llm.binpb"],
)
def test_committed_file_is_what_make_protos_writes(
    name: str, regenerated: Path, root: Path
) -> None:
    committed = (root / "protos/llmsvc/v1" / name).read_bytes()

    assert (regenerated / name).read_bytes() == committed


def test_descriptor_set_alone_makes_json_of_an_error(root: Path) -> None:
    """As gateways do, which know no other types than those of the file."""
    raw = (root / "protos/llmsvc/v1/llm.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
        pool.Add(file)  # refuses a file that stands before its imports
    details = [any_pb2.Any() for _ in range(2)]
    details[0].Pack(error_details_pb2.ErrorInfo(reason="INVALID_REQUEST", domain="llmsvc.v1"))
    details[1].Pack(llm_pb2.RouteInfo(provider="ollama"))
    sent = status_pb2.Status(code=3, message="A sentence.", details=details).SerializeToString()

    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))
    shown = json_format.MessageToDict(kind.FromString(sent), descriptor_pool=pool)

    assert ["INVALID_REQUEST", None] == [one.get("reason") for one in shown["details"]]
    assert "ollama" == shown["details"][1]["provider"]
