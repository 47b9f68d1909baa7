"""Which models of a list are known where it is long: the first, and whatever is configured."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind

MAX_REMOTE = 10_000
"""How many models may run elsewhere. Each is remembered, so that none is taken for a local one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How many models of a list are known, and the names of those that are wherever they stand."""

    max_models: int = 2_000
    wanted: Collection[str] = ()


USUAL_BOUND = Bound()


class Shortlist:
    """Chooses among the models of one list, in their order.

    Attributes:
        remote: Identities of the models that run elsewhere, known or not.
        left_out: How many entries name a model that is not known.
    """

    def __init__(
        self, max_models: int, wanted: Collection[str | None], *, keeps_remote: bool = False
    ) -> None:
        """Know no model.

        Args:
            max_models: How many models are known besides those that are wanted.
            wanted: Identities of models that are known wherever they stand.
            keeps_remote: Whether those are known too that run elsewhere.
        """
        self._room = max_models
        self._wanted = wanted
        self._keeps_remote = keeps_remote
        self._known: dict[str, bool] = {}
        self.remote: set[str] = set()
        self.left_out = 0

    @property
    def is_full(self) -> bool:
        """Whether only those are still taken that are wanted."""
        return self._room == 0

    @property
    def known(self) -> Iterator[str]:
        """The identities of the known models; those that are wanted come first."""
        for is_wanted in (True, False):
            for identity, was_wanted in self._known.items():
                if was_wanted is is_wanted and (self._keeps_remote or identity not in self.remote):
                    yield identity

    def takes(self, identity: str, *, is_remote: bool) -> bool:
        """Return whether a model is known from now on that was not before.

        Args:
            identity: What all its names have in common.
            is_remote: Whether this entry of the list says that it runs elsewhere.

        Raises:
            ProviderError: PROTOCOL. More models run elsewhere than any such server has.
        """
        if is_remote:
            self.remote.add(identity)
            if len(self.remote) > MAX_REMOTE:
                raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)
            if not self._keeps_remote:
                return False
        if identity in self._known:
            return False
        is_wanted = identity in self._wanted
        if not is_wanted and self._room == 0:
            self.left_out += 1
            return False
        self._room -= not is_wanted
        self._known[identity] = is_wanted
        return True
