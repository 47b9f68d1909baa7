"""The files that reflection answers from: ours with comments, the others as they are linked in."""

import contextlib
from collections.abc import Iterator
from importlib import resources

from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2


class Descriptors:
    """Looks up proto files by name or by symbol.

    Generated code carries no comments and a descriptor pool drops them, so our own file comes
    from the raw descriptor set `llm.binpb`.
    """

    def __init__(self) -> None:
        """Read the descriptor set that the package ships."""
        raw = resources.files("llmsvc.v1").joinpath("llm.binpb").read_bytes()
        files = descriptor_pb2.FileDescriptorSet.FromString(raw).file
        self._commented = {one.name: one.SerializeToString() for one in files}
        self._pools = (descriptor_pool.Default(), _reflection_v1())

    def with_imports(self, file_name: str) -> list[bytes]:
        """Return a serialised FileDescriptorProto and, after it, those that it imports.

        Raises:
            KeyError: There is no such file.
        """
        return [self._serialized(name) for name in dict.fromkeys(self._closure(file_name))]

    def file_of(self, symbol: str) -> str:
        """Return the name of the file that declares a symbol, such as a service or its method.

        Raises:
            KeyError: There is no such symbol.
        """
        for pool in self._pools:
            with contextlib.suppress(KeyError):
                return str(pool.FindFileContainingSymbol(symbol).name)
            with contextlib.suppress(KeyError):  # a pool keeps methods apart
                return str(pool.FindMethodByName(symbol).containing_service.file.name)
        raise KeyError(symbol)

    def _closure(self, file_name: str) -> Iterator[str]:
        yield file_name
        for imported in self._file(file_name).dependencies:
            yield from self._closure(imported.name)

    def _serialized(self, file_name: str) -> bytes:
        commented = self._commented.get(file_name)
        return self._file(file_name).serialized_pb if commented is None else commented

    def _file(self, file_name: str) -> FileDescriptor:
        for pool in self._pools:
            with contextlib.suppress(KeyError):
                return pool.FindFileByName(file_name)
        raise KeyError(file_name)


def _reflection_v1() -> descriptor_pool.DescriptorPool:
    """Return a pool with reflection v1: v1alpha, which alone is shipped, under its final name."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    text = text_format.MessageToString(file).replace("v1alpha", "v1")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
    return pool
