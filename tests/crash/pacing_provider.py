"""A provider that answers at its own random pace, in pieces of random size."""

import asyncio
import random
from collections.abc import Callable

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta
from llmsvc_server.chat.request import ChatRequest
from tests.fakes.scripted_provider import ScriptedProvider, done

SIZES = (1, 1, 1, 100, 20_000)
PAUSES_S = (None, None, 0.0, 0.001, 0.004)


class PacingProvider(ScriptedProvider):
    """Lists what a scripted provider lists; counts who is inside.

    Attributes:
        inside: How many answers are being given.
        at_end: Called whenever an answer is over, however it ended.
    """

    def __init__(self, *, model: str, seed: int) -> None:
        """Have `model`; draw pauses and sizes from `seed`."""
        super().__init__(models=[model])
        self._random = random.Random(seed)  # noqa: S311  a test's dice
        self.inside = 0
        self.at_end: Callable[[], None] = lambda: None

    @override
    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Start one answer of up to 40 pieces; the arguments do not matter."""
        del request, limits
        return self._answer()

    async def _answer(self) -> ChatEvents:
        self.inside += 1
        try:
            for _ in range(self._random.randrange(40)):
                pause_s = self._random.choice(PAUSES_S)
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
                yield Delta("x" * self._random.choice(SIZES))
            yield done()
        finally:
            self.inside -= 1
            self.at_end()
