"""What a fake Ollama remembers: every connection, every request, and how each ended."""

import asyncio
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import cast

Json = Mapping[str, object]


class Phase(StrEnum):
    """How far a request has come."""

    QUEUED = "queued"
    LOADING = "loading"
    BEFORE_FIRST_TOKEN = "before_first_token"  # noqa: S105  a token of text
    STREAMING = "streaming"


class Outcome(StrEnum):
    """How a request ended."""

    COMPLETED = "completed"
    CLIENT_GONE = "client_gone"
    SCRIPT_CUT = "script_cut"


class Load(StrEnum):
    """What a request had to do with the load it needed."""

    OWNED = "owned"
    JOINED = "joined"


class Connection:
    """One TCP connection. `number` counts from 1.

    Attributes:
        requests: How many came over it.
        open: Whether it still is.
        cut: Whether the fake closed it, not the client.
    """

    def __init__(self, number: int) -> None:
        """Be new and open."""
        self.number = number
        self.requests = 0
        self.open = True
        self.cut = False


class Exchange:
    """One request and what became of it.

    Attributes:
        number: Counts from 1 over all paths.
        reused: Whether its connection had served another before.
        phase: How far it has come; once it ended, how far it came. Only chats have phases beyond
            the first.
        outcome: None while it runs.
        received_at_s, ended_at_s: On the loop's clock; the second is None while it runs.
        load: Whether it owned a load or joined one; None where the model was in memory.
        tokens_sent: Lines with content, the done line not counted.
    """

    def __init__(  # noqa: PLR0913  facts, all by keyword
        self,
        *,
        number: int,
        connection: Connection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Be received, and not answered."""
        self.number = number
        self.connection = connection
        self.reused = connection.requests > 1
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.received_at_s = asyncio.get_running_loop().time()
        self.ended_at_s: float | None = None
        self.phase = Phase.QUEUED
        self.outcome: Outcome | None = None
        self.load: Load | None = None
        self.tokens_sent = 0

    @property
    def json(self) -> Json:
        """The body, which must be a JSON object."""
        decoded: object = json.loads(self.body)
        assert isinstance(decoded, dict), "the body is no JSON object"
        return cast("Json", decoded)

    @property
    def moves_model(self) -> bool:
        """Whether it asks for no answer, but for a model to be brought into memory or out of it."""
        try:
            decoded: object = json.loads(self.body)
        except ValueError:
            return False
        return isinstance(decoded, dict) and decoded.get("messages") == []

    @property
    def gone_in(self) -> Phase | None:
        """The phase in which the client left."""
        return self.phase if self.outcome is Outcome.CLIENT_GONE else None

    def end(self, outcome: Outcome) -> None:
        """Be over; the first word counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.ended_at_s = asyncio.get_running_loop().time()
