"""The client for code without an event loop: the same coroutines, run on one private thread."""

from collections.abc import Sequence
from typing import Self

from llmsvc_client.answers import ChatReply
from llmsvc_client.blocking_stream import BlockingStream
from llmsvc_client.channel import READINESS
from llmsvc_client.client import Client
from llmsvc_client.loop_thread import run
from llmsvc_client.types import HealthStatus, Message, Privacy, Sampling, Target


class BlockingClient:
    """`Client` for scripts: any number of threads may share one. Errors and results are the same.

    Every method raises RuntimeError in a thread whose event loop runs: use `Client` there.
    """

    def __init__(self, address: str, *, balance: bool = False) -> None:
        """Keep where to go, as `Client` does. Nothing is opened yet."""
        self._client = Client(address, balance=balance)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connection and cancel what still runs."""
        run(self._client.close())

    def chat(  # noqa: PLR0913  as Client.chat
        self,
        prompt: str | Sequence[Message],
        *,
        system: str | None = None,
        model: str | None = None,
        sampling: Sampling | None = None,
        privacy: Privacy | None = None,
        targets: Sequence[Target] = (),
        fallback: bool = True,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> ChatReply:
        """Return one answer, whole, as `Client.chat` does. Ctrl-C cancels the call."""
        return run(
            self._client.chat(
                prompt,
                system=system,
                model=model,
                sampling=sampling,
                privacy=privacy,
                targets=targets,
                fallback=fallback,
                timeout_s=timeout_s,
                request_id=request_id,
            )
        )

    def stream(  # noqa: PLR0913  as Client.stream
        self,
        prompt: str | Sequence[Message],
        *,
        system: str | None = None,
        model: str | None = None,
        sampling: Sampling | None = None,
        privacy: Privacy | None = None,
        targets: Sequence[Target] = (),
        fallback: bool = True,
        timeout_s: float | None = None,
        request_id: str | None = None,
        progress_interval_s: float | None = None,
    ) -> BlockingStream:
        """Return one answer that comes piece by piece, to be used in `with`."""
        return BlockingStream(
            self._client.stream(
                prompt,
                system=system,
                model=model,
                sampling=sampling,
                privacy=privacy,
                targets=targets,
                fallback=fallback,
                timeout_s=timeout_s,
                request_id=request_id,
                progress_interval_s=progress_interval_s,
            )
        )

    def health(self, name: str = READINESS, *, timeout_s: float = 5.0) -> HealthStatus:
        """Return the state of one health name, as `Client.health` does."""
        return run(self._client.health(name, timeout_s=timeout_s))
