"""Server reflection, v1 and v1alpha: the same messages on the wire under two service names."""

from collections.abc import AsyncIterator, Sequence

import grpc
from grpc_reflection.v1alpha import reflection_pb2

from llmsvc_server.rpc.callinfo import connection_of
from llmsvc_server.rpc.decoding import decode_small
from llmsvc_server.rpc.descriptors import Descriptors
from llmsvc_server.rpc.door.interface import Context, Handler
from llmsvc_server.rpc.open_streams import OpenStreams, StreamLimitReached

REFLECTION_SERVICES = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)

DECODE = reflection_pb2.ServerReflectionRequest.FromString
MAX_REQUESTS = 1_000
"""Of one stream: a tool asks some ten, and for more it opens another stream."""

TOO_BUSY = f"A stream of reflection answers {MAX_REQUESTS} requests; begin another one."


def reflections() -> OpenStreams:
    """Return the bounds of reflection; one stream costs 95 KiB."""
    return OpenStreams("reflection", per_connection=4, in_all=64, max_s=60.0)


def reflection_handlers(
    services: Sequence[str], streams: OpenStreams
) -> list[grpc.GenericRpcHandler]:
    """Return the handlers that answer reflection, one per version.

    Args:
        services: Full names of the services to list; those of reflection are added.
        streams: The bounds of both versions together.
    """
    reflection = _Reflection((*services, *REFLECTION_SERVICES), Descriptors(), streams)
    handler: Handler = grpc.stream_stream_rpc_method_handler(
        reflection.info,
        request_deserializer=None,  # ours, so that bad bytes get a typed answer
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
        for name in REFLECTION_SERVICES
    ]


class _Reflection:
    def __init__(
        self, services: Sequence[str], descriptors: Descriptors, streams: OpenStreams
    ) -> None:
        self._services = services
        self._descriptors = descriptors
        self._streams = streams

    async def info(self, requests: AsyncIterator[bytes], context: Context) -> None:
        async with self._streams.place(connection_of(context)):
            left = MAX_REQUESTS
            async for raw in requests:
                if not left:
                    raise StreamLimitReached(TOO_BUSY)
                left -= 1
                await context.write(self._answer(decode_small(DECODE, raw)))

    def _answer(
        self, request: reflection_pb2.ServerReflectionRequest
    ) -> reflection_pb2.ServerReflectionResponse:
        response = reflection_pb2.ServerReflectionResponse(
            valid_host=request.host, original_request=request
        )
        try:
            match request.WhichOneof("message_request"):
                case "list_services":
                    for name in self._services:
                        response.list_services_response.service.add().name = name
                case "file_by_filename":
                    self._add_files(response, request.file_by_filename)
                case "file_containing_symbol":
                    name = self._descriptors.file_of(request.file_containing_symbol)
                    self._add_files(response, name)
                case "all_extension_numbers_of_type":
                    name = request.all_extension_numbers_of_type
                    self._descriptors.file_of(name)
                    response.all_extension_numbers_response.base_type_name = name
                case _:
                    raise KeyError  # noqa: TRY301  extensions: proto3 has none
        except KeyError:
            response.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
            response.error_response.error_message = "Not found."
        return response

    def _add_files(self, response: reflection_pb2.ServerReflectionResponse, file_name: str) -> None:
        files = self._descriptors.with_imports(file_name)
        response.file_descriptor_response.file_descriptor_proto.extend(files)
