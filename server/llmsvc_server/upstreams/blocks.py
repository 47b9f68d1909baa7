"""What keeps requests away from a provider for a known time: facts of our account, not its health.

A state machine on an injected clock. Lengths: docs/failover.md 6.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import Block, ErrorKind, Scope
from llmsvc_server.reports import BlockState, Transition
from llmsvc_server.upstreams.settings import Surroundings

MAX_BLOCKS = 1024
"""Names come from callers where a provider lists none: the oldest of a model goes beyond this."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Block:
    key: Key
    rule: Block
    error: ProviderError
    until_s: float
    repeats: int = 0
    is_probed: bool = False


class Blocks:
    """The blocks of one provider, by endpoint and model.

    Attributes:
        known: Those that run or have to be tried; where there are none, nothing is to be asked.
    """

    def __init__(self, provider: str, around: Surroundings) -> None:
        """Block nothing of a provider; what begins, and what ends with a success, is reported."""
        self._provider = provider
        self._clock = around.judged_by
        self._reporter = around.reporter
        self.known: dict[Key, _Block] = {}

    @override
    def __repr__(self) -> str:
        """Return what is blocked, and why."""
        said = [
            f"{'/'.join(filter(None, key)) or 'all'} {block.error.kind}"
            for key, block in self.known.items()
        ]
        return f"<Blocks of {self._provider}: {', '.join(said) or 'none'}>"

    def refusal(self, endpoint: str, model: str) -> ProviderError | None:
        """Return why a request may not go there now, as a fresh error; None if it may."""
        for block in self._of(endpoint, model):
            left_s = self._left_s(block)
            if left_s > 0:
                return block.error.unsent(left_s if math.isfinite(left_s) else None)
        return None

    def admit(self, endpoint: str, model: str) -> "BlockProbe | None":
        """Take the one request that may find out whether a block has ended; None where none has.

        Call it only where `refusal` returned None. A rate limit that ended needs no probe.
        """
        ended = [block for block in self._of(endpoint, model) if block.rule.has_trial]
        return BlockProbe(ended) if ended else None

    def take_failure(self, error: ProviderError, endpoint: str, model: str) -> None:
        """Take a failure; where its class blocks, block."""
        rule = error.kind.rules.block
        if rule is None or not error.called:
            return
        key, now_s = _key(rule.scope, endpoint, model), self._clock()
        before = self.known.get(key)
        same = before is not None and before.error.kind is error.kind
        repeats = 0
        if before is not None and same:
            # A call that was under way when the block began tells nothing new.
            repeats = before.repeats + (before.until_s <= now_s)
        until_s = now_s + _length_s(rule, error.retry_after_s, repeats)
        if before is not None and before.until_s >= until_s:
            return
        self.known.pop(key, None)
        # A copy, since what was raised holds the frames of its call.
        self.known[key] = _Block(key, rule, error.unsent(None), until_s, repeats)
        if len(self.known) > MAX_BLOCKS:
            del self.known[min(self.known, key=self._worth)]
        if not same:
            self._report(error, BlockState.BLOCKED)

    def take_success(self, endpoint: str, model: str) -> None:
        """Take a success there: what was blocked until now is free.

        A block that still runs stays. The success is one of a call that was under way before.
        """
        for block in self._of(endpoint, model):
            if block.until_s <= self._clock():
                del self.known[block.key]
                self._report(block.error, BlockState.FREE)

    def stops_serving(self, endpoint: str) -> bool:
        """Return whether a block keeps all of an endpoint's models from being served."""
        keys = (_key(Scope.PROVIDER, endpoint, ""), _key(Scope.ENDPOINT, endpoint, ""))
        return any(key in self.known and self._left_s(self.known[key]) > 0 for key in keys)

    def _of(self, endpoint: str, model: str) -> Sequence[_Block]:
        found = (self.known.get(_key(scope, endpoint, model)) for scope in Scope)
        return [block for block in found if block is not None]

    def _left_s(self, block: _Block) -> float:
        left_s = block.until_s - self._clock()
        return max(1.0, left_s) if block.is_probed else left_s

    def _worth(self, key: Key) -> tuple[bool, bool]:
        """Return what keeps a block from being given up: nobody's names can push those out."""
        return self.known[key].error.kind is ErrorKind.VIOLATION, not key[1]

    def _report(self, error: ProviderError, state: BlockState) -> None:
        change = Transition(name=self._provider, state=state, detail=error.kind.value)
        self._reporter.changed(change)


class BlockProbe:
    """The one request that passes ended blocks; the others wait for its verdict."""

    def __init__(self, blocks: list[_Block]) -> None:
        """Hold everybody else back."""
        self._blocks = blocks
        for block in blocks:
            block.is_probed = True

    def release(self) -> None:
        """Let the next one try, unless a verdict has replaced the blocks meanwhile."""
        for block in self._blocks:
            block.is_probed = False


def _length_s(rule: Block, told_s: float | None, repeats: int) -> float:
    if rule.told_s is not None and told_s is not None:
        min_s, max_s = rule.told_s
        return min(max(told_s, min_s), max_s)
    return rule.lengths_s[min(repeats, len(rule.lengths_s) - 1)]


def _key(scope: Scope, endpoint: str, model: str) -> Key:
    is_of_all = scope in {Scope.PROVIDER, Scope.PROVIDER_MODEL}
    is_of_model = scope in {Scope.PROVIDER_MODEL, Scope.ENDPOINT_MODEL}
    return "" if is_of_all else endpoint, model if is_of_model else ""
