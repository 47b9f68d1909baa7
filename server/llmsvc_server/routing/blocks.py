"""What keeps requests away from a provider for a known time: facts of our account, not its health.

A state machine on an injected clock. Lengths: docs/failover.md 6.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import Block, ErrorKind, Scope
from llmsvc_server.reports import BlockState

MOST_BLOCKS = 1024
"""Names come from callers where a provider lists none: the oldest of a model goes beyond this."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Block:
    key: Key
    rule: Block
    error: ProviderError
    until_s: float
    repeats: int = 0
    on_trial: bool = False


class Blocks:
    """The blocks of one provider, by endpoint and model."""

    def __init__(
        self, *, clock: Clock, changed: Callable[[ProviderError, BlockState], None]
    ) -> None:
        """Block nothing.

        Args:
            clock: Monotonic seconds.
            changed: Told of every block that begins, with its error and BLOCKED, and of every
                one that ends with a success, with FREE.
        """
        self._clock = clock
        self._changed = changed
        self._blocks: dict[Key, _Block] = {}

    def refusal(self, endpoint: str, model: str) -> ProviderError | None:
        """Return why a request may not go there now, as a fresh error; None if it may."""
        for block in self._of(endpoint, model):
            left_s = self._left_s(block)
            if left_s > 0:
                return block.error.unsent(left_s if math.isfinite(left_s) else None)
        return None

    def admit(self, endpoint: str, model: str) -> "Trial | None":
        """Take the one request that may find out whether a block has ended; None where none has.

        Call it only where `refusal` returned None. A rate limit that ended needs no trial.
        """
        ended = [block for block in self._of(endpoint, model) if block.rule.has_trial]
        return Trial(ended) if ended else None

    def note(self, error: ProviderError, endpoint: str, model: str) -> None:
        """Take a failure; where its class blocks, block."""
        rule = error.kind.rules.block
        if rule is None or not error.called:
            return
        key, now_s = _key(rule.scope, endpoint, model), self._clock()
        before = self._blocks.get(key)
        same = before is not None and before.error.kind is error.kind
        repeats = 0
        if before is not None and same:
            # A call that was under way when the block began tells nothing new.
            repeats = before.repeats + (before.until_s <= now_s)
        until_s = now_s + _length_s(rule, error.retry_after_s, repeats)
        if before is not None and before.until_s >= until_s:
            return
        self._blocks.pop(key, None)
        # A copy, since what was raised holds the frames of its call.
        self._blocks[key] = _Block(key, rule, error.unsent(None), until_s, repeats)
        if len(self._blocks) > MOST_BLOCKS:
            del self._blocks[min(self._blocks, key=self._worth)]
        if not same:
            self._changed(error, BlockState.BLOCKED)

    def succeeded(self, endpoint: str, model: str) -> None:
        """Take a success there: what was blocked until now is free.

        A block that still runs stays. The success is one of a call that was under way before.
        """
        for block in self._of(endpoint, model):
            if block.until_s <= self._clock():
                del self._blocks[block.key]
                self._changed(block.error, BlockState.FREE)

    def stops_serving(self, endpoint: str) -> bool:
        """Return whether a block keeps all of an endpoint's models from being served."""
        keys = (_key(Scope.PROVIDER, endpoint, ""), _key(Scope.ENDPOINT, endpoint, ""))
        return any(key in self._blocks and self._left_s(self._blocks[key]) > 0 for key in keys)

    def _of(self, endpoint: str, model: str) -> Sequence[_Block]:
        if not self._blocks:
            return ()
        found = (self._blocks.get(_key(scope, endpoint, model)) for scope in Scope)
        return [block for block in found if block is not None]

    def _left_s(self, block: _Block) -> float:
        left_s = block.until_s - self._clock()
        return max(1.0, left_s) if block.on_trial else left_s

    def _worth(self, key: Key) -> tuple[bool, bool]:
        """Return what keeps a block from being given up: nobody's names can push those out."""
        return self._blocks[key].error.kind is ErrorKind.VIOLATION, not key[1]


class Trial:
    """The one request that passes ended blocks; the others wait for its verdict."""

    def __init__(self, blocks: list[_Block]) -> None:
        """Hold everybody else back."""
        self._blocks = blocks
        for block in blocks:
            block.on_trial = True

    def over(self) -> None:
        """Let the next one try, unless a verdict has replaced the blocks meanwhile."""
        for block in self._blocks:
            block.on_trial = False


def _length_s(rule: Block, told_s: float | None, repeats: int) -> float:
    if rule.told_s is not None and told_s is not None:
        least_s, most_s = rule.told_s
        return min(max(told_s, least_s), most_s)
    return rule.lengths_s[min(repeats, len(rule.lengths_s) - 1)]


def _key(scope: Scope, endpoint: str, model: str) -> Key:
    match scope:
        case Scope.PROVIDER:
            return "", ""
        case Scope.PROVIDER_MODEL:
            return "", model
        case Scope.ENDPOINT:
            return endpoint, ""
        case _:  # Scope.ENDPOINT_MODEL
            return endpoint, model
