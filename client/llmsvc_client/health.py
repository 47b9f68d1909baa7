"""The health of one name. The only module that needs grpcio-health-checking, so imported late."""

import grpc.aio
from grpc_health.v1 import health_pb2

from llmsvc_client.calls import CallOptions, call_unary
from llmsvc_client.types import HealthStatus

_STATES = {
    health_pb2.HealthCheckResponse.SERVING: HealthStatus.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING: HealthStatus.NOT_SERVING,
}


async def check(channel: grpc.aio.Channel, name: str, options: CallOptions) -> HealthStatus:
    """Return the state of one health name.

    Raises:
        NotFoundError: The server has no such name.
        LlmsvcError: The call failed.
    """
    method = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = await call_unary(method, health_pb2.HealthCheckRequest(service=name), options)
    return _STATES.get(answer.status, HealthStatus.UNKNOWN)
