"""What is generated from llm.proto is fresh: stubs, their types, the descriptor set."""

from pathlib import Path

import pytest

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
