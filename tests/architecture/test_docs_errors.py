"""docs/errors.md tells every reason of the contract once, with its code."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from llmsvc_server.failures import ErrorKind

PREFIX = "ERROR_REASON_"


@pytest.fixture(scope="module")
def contract(root: Path) -> dict[str, str]:
    """Return the code of each reason, as the comment at its value begins: "" if it has none."""
    raw = (root / "protos/llmsvc/v1/llm.binpb").read_bytes()
    file = next(
        file for file in FileDescriptorSet.FromString(raw).file if file.name.endswith("llm.proto")
    )
    number = next(n for n, enum in enumerate(file.enum_type) if enum.name == "ErrorReason")
    comments = {
        tuple(place.path): place.leading_comments for place in file.source_code_info.location
    }
    codes = {}
    for index, value in enumerate(file.enum_type[number].value):
        said = re.match(r" ([A-Z_]+)\. ", comments[(5, number, 2, index)])
        codes[value.name.removeprefix(PREFIX)] = said[1] if said else ""
    del codes["UNSPECIFIED"]
    return codes


@pytest.fixture(scope="module")
def rows(root: Path) -> list[tuple[str, str]]:
    """Return (reason, code) of each row of the page's table."""
    text = (root / "docs/errors.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([A-Z_]+)` \| ([^|]+?) \|", text, re.MULTILINE)


def test_every_reason_has_exactly_one_row(
    contract: dict[str, str], rows: list[tuple[str, str]]
) -> None:
    assert sorted(contract) == sorted(reason for reason, _ in rows)


def test_every_row_has_the_code_of_the_contract(
    contract: dict[str, str], rows: list[tuple[str, str]]
) -> None:
    expected = {reason: code or "that of the deciding failure" for reason, code in contract.items()}
    actual = {reason: code.strip("`") for reason, code in rows}

    assert expected == actual


def test_the_server_tells_each_failure_of_a_provider_with_that_code(
    rows: list[tuple[str, str]],
) -> None:
    told = {(kind.rules.reason, f"`{kind.rules.code}`") for kind in ErrorKind}

    assert told <= set(rows)
