"""What status.py says, against what the contract says of each reason."""

from importlib import resources

import pytest
from google.protobuf import descriptor_pb2

from llmsvc_server.errors import LlmsvcError
from llmsvc_server.rpc.status import to_failure
from tests.unit.server.rpc.failures import every_failure

PREFIX = "ERROR_REASON_"


def codes_in_the_contract() -> dict[str, str]:
    """Return reason -> the status code that its comment in llm.proto begins with."""
    raw = resources.files("llmsvc.v1").joinpath("llm.binpb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(raw).file
    file = next(one for one in files if one.name == "llmsvc/v1/llm.proto")
    index = next(i for i, one in enumerate(file.enum_type) if one.name == "ErrorReason")
    names = [value.name.removeprefix(PREFIX) for value in file.enum_type[index].value]
    enums, values = 5, 2  # numbers of FileDescriptorProto.enum_type and EnumDescriptorProto.value
    return {
        names[place.path[3]]: place.leading_comments.strip().partition(".")[0]
        for place in file.source_code_info.location
        if list(place.path[:3]) == [enums, index, values] and len(place.path) == 4
    }


CODES = codes_in_the_contract()


@pytest.mark.parametrize("error", [*every_failure(), ValueError("x")], ids=repr)
def test_each_reason_stands_in_the_contract_with_its_code(error: LlmsvcError) -> None:
    failure = to_failure(error)
    own_code = failure.reason != "ALL_TARGETS_FAILED"  # whose code is that of the deciding failure

    assert failure.reason in CODES
    assert failure.code == CODES[failure.reason] or not own_code


def test_each_reason_of_the_contract_is_used() -> None:
    used = {to_failure(error).reason for error in [*every_failure(), ValueError("x")]}

    assert CODES.keys() - {"UNSPECIFIED"} == used
