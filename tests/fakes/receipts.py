"""Receipts of calls, and what they say."""

import asyncio

from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import Attempt, Privacy
from tests.fakes.manual_clock import ManualClock


def a_receipt() -> Receipt:
    """Return that of a call which begins now, on the loop's clock."""
    return Receipt(asyncio.get_running_loop().time)


def receipt_of(*attempts: Attempt, requested_model: str = "") -> Receipt:
    """Return that of a call under the strictest policy, which met these; who is "OK" answers."""
    clock = ManualClock()
    receipt = Receipt(clock)
    receipt.open(requested_model, Privacy.LOCAL_ONLY)
    for one in attempts:
        if one.code == "OK":
            receipt.begin(one.provider, one.model)
            clock.advance(one.elapsed_s or 0.0)
            receipt.commit()
        else:
            receipt.add(one)
    return receipt


def tried(receipt: Receipt) -> tuple[Attempt, ...]:
    """Return what a call tried and skipped until now; who still runs has no outcome."""
    trail = receipt.trail("", "")
    return () if trail is None else trail.attempts
