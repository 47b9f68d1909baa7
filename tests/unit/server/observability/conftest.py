"""Logging as it was, after each test."""

import logging
from collections.abc import Iterator

import pytest

from llmsvc_server.observability.logging import request_id
from llmsvc_server.observability.structlog_import import structlog


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    request_id.set("")
