"""Fixtures that more than one folder of tests needs."""

from collections.abc import Callable
from typing import Any

import grpc
import uvloop
from hypothesis import HealthCheck, settings

# One reference that nobody gives back. Without it the garbage collector, at any test, may stop
# gRPC's poller with the last channel it finds, and waits there for ever (grpc/grpc#22365).
grpc.aio.init_grpc_aio()

# A busy machine is no failure. Whatever else the profile in force says, stays.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:  # noqa: ANN401, ARG001
    """Run every test on the loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}
