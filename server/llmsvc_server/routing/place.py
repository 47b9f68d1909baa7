"""One chat's place at an endpoint, and what its failure says of the endpoint's health."""

from typing import TYPE_CHECKING

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.blocks import Trial
from llmsvc_server.routing.breaker import Permit

if TYPE_CHECKING:
    from llmsvc_server.routing.endpoint import Endpoint


class Held:
    """A failure that is not counted yet: a retry at the same endpoint may take it back."""

    __slots__ = ("_kind", "_permit", "_successes", "endpoint")

    def __init__(self, endpoint: "Endpoint", permit: Permit, kind: ErrorKind) -> None:
        """Keep what would be counted."""
        self.endpoint = endpoint
        self._permit: Permit | None = permit
        self._successes = permit.successes
        self._kind = kind

    @property
    def is_about_connecting(self) -> bool:
        """Whether it speaks of the endpoint as a whole, not of one model there."""
        return self._kind is ErrorKind.CONNECT

    def count(self) -> None:
        """Let it count. A second time does nothing."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.failed(
                slow=self._kind.rules.is_slow,
                cause=self._kind.value,
                is_stale=permit.successes != self._successes,
            )

    def withdraw(self) -> None:
        """Let it never count."""
        self._permit = None


class Place:
    """Holds both breakers' permits. Given back once, whatever happens; maybe left before."""

    __slots__ = ("_answering", "_connecting", "_kept", "_model", "_taken", "_trial", "endpoint")

    def __init__(
        self,
        endpoint: "Endpoint",
        model: str,
        connecting: Permit,
        answering: Permit,
        trial: Trial | None,
    ) -> None:
        """Keep what was taken at `endpoint`.

        Args:
            endpoint: Where the chat runs.
            model: What it runs.
            connecting: Leave from the breaker of connections.
            answering: Leave from the model's.
            trial: Of the blocks that have ended, if there are any.
        """
        self.endpoint = endpoint
        self._connecting = connecting
        self._answering = answering
        self._trial = trial
        self._model = model
        self._kept = True
        self._taken = True

    @property
    def is_trial(self) -> bool:
        """Whether others are held back until it is known how this one ends."""
        trials = (self._connecting.is_trial, self._answering.is_trial, self._trial is not None)
        return any(trials)

    def answers(self, limits: AttemptLimits) -> None:
        """Tell the breakers of first content."""
        self._connecting.has_content()
        self._answering.has_content()
        earlier = self._earlier(limits)
        if earlier is not None:
            earlier.withdraw()

    def succeeded(self) -> None:
        """Tell the breakers of the end."""
        self._connecting.succeeded()
        self._answering.succeeded()

    def failed(self, error: ProviderError, limits: AttemptLimits) -> Held | None:
        """Tell the breakers of a failure, or keep it back where the call is no trial.

        Only the last word of a request on a breaker counts, so this takes the earlier one back.

        Returns:
            What it says of the endpoint, counted or not; None where it says nothing.
        """
        connects = error.kind is ErrorKind.CONNECT
        unheard = error.kind is ErrorKind.SILENT and error.phase == "first_token"
        if error.called and not connects and not unheard:
            self._connecting.succeeded()
        earlier = self._earlier(limits)
        if earlier is not None and (earlier.is_about_connecting or not connects):
            earlier.withdraw()
        is_short = error.is_cut_short or (unheard and not limits.is_full_length)
        if not error.kind.rules.counts or is_short:
            return None
        permit = self._connecting if connects else self._answering
        held = Held(self.endpoint, permit, error.kind)
        if permit.is_trial:
            held.count()
        return held

    def leave(self) -> None:
        """Let others have it: the upstream is done, whoever has yet to read what it said."""
        if self._taken:
            self._taken = False
            self.endpoint.free(self._model)

    def give_back(self) -> None:
        """Leave the place; what has no verdict by now gets none."""
        if not self._kept:
            return
        self._kept = False
        self._connecting.released()
        self._answering.released()
        if self._trial is not None:
            self._trial.over()
        self.leave()

    def _earlier(self, limits: AttemptLimits) -> Held | None:
        """Return what this request's attempt before said of this endpoint, if it said anything."""
        earlier = limits.earlier
        if isinstance(earlier, Held) and earlier.endpoint is self.endpoint:
            return earlier
        return None
