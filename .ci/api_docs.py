#!/usr/bin/env python3
"""Write docs/api.md from the descriptor set, comments included; --check only compares.

Knows the shape of descriptors, not the contract: what is in llm.proto is in the page.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

SOURCE = Path("protos/llmsvc/v1/llm.binpb")
TARGET = Path("docs/api.md")
CONTRACT = "llmsvc/v1/llm.proto"

# Numbers of the fields in descriptor.proto; a path in SourceCodeInfo is made of them.
SYNTAX, FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 12, 4, 5, 6
MESSAGE_FIELD, MESSAGE_ENUM, ENUM_VALUE, SERVICE_METHOD = 2, 4, 2, 2

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The contract's own file of a descriptor set, and its comments by path."""

    file: FileDescriptorProto
    comments: dict[Place, str]
    overview: str

    def comment(self, path: Place) -> str:
        """Return the comment at a path as one line fit for a table cell, "" without one."""
        return " ".join(self.comments.get(path, "").split()).replace("|", "\\|")


def read_page(source: Path) -> Page:
    """Return the contract with its comments.

    Args:
        source: A descriptor set that `buf build` wrote, source info included.

    Raises:
        LookupError: The set does not hold the contract.
    """
    files = FileDescriptorSet.FromString(source.read_bytes()).file
    file = next((file for file in files if file.name == CONTRACT), None)
    if file is None:
        raise LookupError(f"{source} does not hold {CONTRACT}")
    locations = file.source_code_info.location
    overview = next(
        (
            # The file's own comment stands detached or attached above its syntax line.
            "".join(place.leading_detached_comments) + place.leading_comments
            for place in locations
            if tuple(place.path) == (SYNTAX,)
        ),
        "",
    )
    comments = {tuple(place.path): place.leading_comments for place in locations}
    return Page(file=file, comments=comments, overview=overview)


def type_of(field: FieldDescriptorProto) -> str:
    """Return a field's type as people write it, linked where this page explains it."""
    if field.type_name:
        full = field.type_name.removeprefix(".")
        short = full.removeprefix("llmsvc.v1.")
        name = f"[{short}](#{short.replace('.', '').lower()})" if short != full else f"`{full}`"
    else:
        name = f"`{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def service_lines(page: Page, service: ServiceDescriptorProto, path: Place) -> Iterator[str]:
    """Yield one service: its methods with both shapes and their comments."""
    yield from (f"### {service.name}", "", page.comment(path), "")
    for index, method in enumerate(service.method):
        request = method.input_type.rpartition(".")[2]
        response = method.output_type.rpartition(".")[2]
        stream = "stream of " if method.server_streaming else ""
        shape = f"[{request}](#{request.lower()}) to {stream}[{response}](#{response.lower()})"
        comment = page.comment((*path, SERVICE_METHOD, index))
        yield f"- **{method.name}**: {shape}. {comment}"
    yield ""


def message_lines(page: Page, message: DescriptorProto, path: Place) -> Iterator[str]:
    """Yield one message: its fields as a table, then the enums declared inside it."""
    yield from (f"### {message.name}", "", page.comment(path), "")
    yield from ("| field | number | type | meaning |", "|---|---|---|---|")
    for index, field in enumerate(message.field):
        group = ""
        if field.HasField("oneof_index") and not field.proto3_optional:
            group = f"One of `{message.oneof_decl[field.oneof_index].name}`. "
        comment = page.comment((*path, MESSAGE_FIELD, index))
        yield f"| `{field.name}` | {field.number} | {type_of(field)} | {group}{comment} |"
    yield ""
    for index, enum in enumerate(message.enum_type):
        inner = (*path, MESSAGE_ENUM, index)
        yield from enum_lines(page, enum, inner, f"{message.name}.{enum.name}")


def enum_lines(page: Page, enum: EnumDescriptorProto, path: Place, name: str) -> Iterator[str]:
    """Yield one enum: its values as a table."""
    yield from (f"### {name}", "", page.comment(path), "")
    yield from ("| value | number | meaning |", "|---|---|---|")
    for index, value in enumerate(enum.value):
        comment = page.comment((*path, ENUM_VALUE, index))
        yield f"| `{value.name}` | {value.number} | {comment} |"
    yield ""


def page_lines(page: Page) -> Iterator[str]:
    """Yield the whole document, line by line."""
    yield from ("# API", "")
    yield f"Everything in `protos/{CONTRACT}`, package `{page.file.package}`; `make docs` writes this"
    yield "page from it. Beside it the server serves `grpc.health.v1.Health` and, unless"
    yield "`server.reflection` is off, gRPC reflection. Failures are in [errors.md](errors.md)."
    yield from ("", "## Rules", "")
    yield from (line.strip() for line in page.overview.splitlines())
    yield from ("", "## Services", "")
    for index, service in enumerate(page.file.service):
        yield from service_lines(page, service, (FILE_SERVICE, index))
    yield from ("## Messages", "")
    for index, message in enumerate(page.file.message_type):
        yield from message_lines(page, message, (FILE_MESSAGE, index))
    yield from ("## Enums", "")
    for index, enum in enumerate(page.file.enum_type):
        yield from enum_lines(page, enum, (FILE_ENUM, index), enum.name)


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it.

    Returns:
        The exit code: 0, or 1 where --check finds the page out of date.
    """
    text = "\n".join(page_lines(read_page(SOURCE))).rstrip("\n") + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET} does not say what {SOURCE} says: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
