"""Fixtures that more than one folder of tests needs."""

from collections.abc import Callable
from typing import Any

import uvloop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:  # noqa: ANN401, ARG001
    """Run every test on the loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}
