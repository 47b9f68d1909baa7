"""What a log sink writes, in memory."""

import io
import json
import time
from contextlib import ExitStack
from typing import Any

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.observability.log_sink import LogSink
from llmsvc_server.observability.logging import logging_to

OLLAMA = ProviderInfo(name="ollama", kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
MOCK = ProviderInfo(name="mock", kind=ProviderKind.MOCK, locality=Locality.LOCAL)


class Written:
    """A log sink over memory, and the lines that it wrote."""

    def __init__(
        self, *, level: str = "info", as_json: bool = True, clock: Clock = time.monotonic
    ) -> None:
        self._raw = io.BytesIO()
        self._stream = io.TextIOWrapper(self._raw)
        self._stack = ExitStack()
        logger = self._stack.enter_context(logging_to(self._stream, level=level, as_json=as_json))
        self.sink = LogSink(logger, clock)

    def text(self) -> str:
        """Return what was written until now; what comes later is not."""
        self._stack.close()
        return self._raw.getvalue().decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]
