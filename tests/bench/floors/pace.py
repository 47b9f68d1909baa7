"""Waiting for a point in time, at the least cost that the loop has."""

import asyncio
import random


async def until(due_s: float) -> None:
    """Return when the loop's clock has reached `due_s`; at once if it has."""
    loop = asyncio.get_running_loop()
    if due_s <= loop.time():
        return
    reached: asyncio.Future[None] = loop.create_future()
    timer = loop.call_at(due_s, _set, reached)
    try:
        await reached
    finally:
        timer.cancel()


def chance() -> float:
    """Return a random number from 0 to 1."""
    return random.random()  # noqa: S311 - spreads starts, guards nothing


def _set(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)
