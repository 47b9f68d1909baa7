"""What becomes of one call, in one place: who was tried, what is waited for, who answers, and when.

The door makes it with the call and reads it whatever ends the call; the router and who runs an
attempt write it, at the steps of a call and never for a token. What goes out (headers, trailers,
details) is a frozen view, made from it there and then.
"""

from dataclasses import replace

from typing_extensions import override

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.chat.events import Phase
from llmsvc_server.chat.route import Attempt, Privacy, ProviderInfo, Route, Trail


class Receipt:
    """One call's.

    Attributes:
        target, model: Who runs the request now, or is about to; None and "" where nobody does.
        phase: What is waited for there; None where nothing was said of it.
        route: Who answers and what was tried, once there is no way back.
        content_at_s: When its first content came, on the call's clock; for a whole answer that is
            long before the commit point. None before that, and of an empty answer.
    """

    __slots__ = (
        "_attempts",
        "_began_s",
        "_clock",
        "_heard_s",
        "_privacy",
        "_requested_model",
        "_sent_s",
        "content_at_s",
        "model",
        "phase",
        "route",
        "target",
    )

    def __init__(self, clock: Clock) -> None:
        """Have nothing to tell yet; `clock` counts seconds as the call does."""
        self._clock = clock
        self._requested_model = ""
        self._privacy = Privacy.LOCAL_ONLY
        self._attempts: list[Attempt] = []
        self._began_s = self._sent_s = 0.0
        self._heard_s: float | None = None
        self.target: ProviderInfo | None = None
        self.model = ""
        self.phase: Phase | None = None
        self.route: Route | None = None
        self.content_at_s: float | None = None

    @override
    def __repr__(self) -> str:
        """Return who did what; nothing that the caller wrote."""
        said = [f"{one.provider.name} {one.reason or one.code}" for one in self._attempts]
        if self.target is not None:
            said.append(f"{self.target.name} {self.phase or 'asked'}")
        return f"<Receipt: {', '.join(said) or 'nothing tried'}>"

    @property
    def tried(self) -> int:
        """How many targets were tried or skipped, the one that runs included."""
        return len(self._attempts) + (self.phase is not None)

    @property
    def elapsed_s(self) -> float:
        """How long ago the running attempt began."""
        return self._clock() - self._began_s

    @property
    def ran_s(self) -> float:
        """The same without waits for a place or a load, where they are over."""
        return self._clock() - self._sent_s

    def open(self, requested_model: str, privacy: Privacy) -> None:
        """Note what was asked for, under which policy."""
        self._requested_model, self._privacy = requested_model, privacy

    def begin(self, target: ProviderInfo, model: str, phase: Phase | None = None) -> None:
        """Note that an attempt begins, or a wait of phase `phase` before it."""
        self.target, self.model, self.phase = target, model, phase
        self._began_s = self._sent_s = self._clock()
        self._heard_s = None

    def wait(self, phase: Phase) -> None:
        """Note what the attempt waits for."""
        self.phase = phase
        if phase is Phase.PROVIDER:
            self._sent_s = self._clock()

    def hear(self) -> float:
        """Note that its first content is here; return what `ran_s` is then."""
        self._heard_s = heard_s = self._clock()
        return heard_s - self._sent_s

    def add(self, attempt: Attempt) -> None:
        """Note how an attempt ended that is not the answer, or why a target was skipped."""
        self._attempts.append(attempt)
        self.target, self.model, self.phase = None, "", None

    def commit(self) -> Route:
        """Note that the attempt is the answer, and return it.

        Raises:
            AssertionError: None has begun.
        """
        assert self.target is not None  # noqa: S101  the router's promise, checked by its tests
        target, model = self.target, self.model
        answers = Attempt(
            provider=target,
            model=model,
            code="OK",
            reason="",
            elapsed_s=self._clock() - self._began_s,
            content_sent=True,
        )
        self.add(answers)
        self.content_at_s = self._heard_s
        self.route = Route(provider=target, model=model, trail=self._trail(self._attempts))
        return self.route

    def trail(self, code: str, reason: str) -> Trail | None:
        """Return what was tried by a call that ends with `code` and `reason`.

        They are the outcome of the attempt that runs or answers, if there is one. None where no
        target was considered.
        """
        if self.route is not None:
            *before, answers = self._attempts
            return self._trail([*before, replace(answers, code=code, reason=reason)])
        if self.target is not None and self.phase is not None:
            return self._trail([*self._attempts, self._running(self.target, code, reason)])
        return self._trail(self._attempts) if self._attempts else None

    def _running(self, target: ProviderInfo, code: str, reason: str) -> Attempt:
        is_sent = self.phase is Phase.PROVIDER
        return Attempt(
            provider=target,
            model=self.model,
            code=code,
            reason=reason,
            elapsed_s=self.elapsed_s if is_sent else None,
            content_sent=is_sent,
        )

    def _trail(self, attempts: list[Attempt]) -> Trail:
        return Trail(
            requested_model=self._requested_model,
            privacy=self._privacy,
            attempts=tuple(attempts),
        )
