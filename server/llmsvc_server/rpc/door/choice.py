"""Which door a process has: the cheaper one where all that it needs is there, else the other."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import grpc

from llmsvc_server.rpc.door.aio import AioDoor
from llmsvc_server.rpc.door.interface import Door, NoSuchDoor

TESTED_VERSIONS = ("1.85.3",)
"""Of grpcio: on each of them tests/door passed, and the tests of the service through that door."""

OLDER_POLLER = "-event_engine_listener"
"""In GRPC_EXPERIMENTS: gRPC then does its I/O in whoever asks its queue (ADR-010)."""

POLLERS_WITH_EPOLL = ("", "all", "epoll1")
"""What GRPC_POLL_STRATEGY may say."""


class Wish(StrEnum):
    """What the operator wants."""

    AUTO = "auto"
    AIO = "aio"
    IN_LOOP = "in_loop"


@dataclass(frozen=True, slots=True)
class Opened:
    """A door.

    Attributes:
        why: Why it isn't the one in the loop; empty where it is, or was not wished.
    """

    door: Door
    why: str = ""


async def open_door(wish: Wish) -> Opened:
    """Return the door of this process; to be asked once, before anything else uses gRPC.

    Raises:
        NoSuchDoor: It is to be the one in the loop, which can't be had.
    """
    if wish is Wish.AIO:
        return Opened(AioDoor())
    try:
        return Opened(await _open_in_loop())
    except NoSuchDoor as error:
        if wish is Wish.IN_LOOP:
            raise
        return Opened(AioDoor(), str(error))


async def _open_in_loop() -> Door:
    lack = find_lack(sys.platform, grpc.__version__, os.environ)
    if lack:
        raise NoSuchDoor(lack)
    try:
        # Not before: a grpcio that nobody has tested may not even have what this imports.
        from llmsvc_server.rpc.door.self_test import open_tested  # noqa: PLC0415

        return await open_tested()
    except NoSuchDoor:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, there is the other door
        raise NoSuchDoor(f"{type(error).__name__} while it was made") from None


def find_lack(platform: str, grpcio: str, environ: Mapping[str, str]) -> str:
    """Return what is not there that the door in the loop needs; empty if it may be tried.

    Args:
        platform: As `sys.platform`.
        grpcio: The version that is installed.
        environ: Variables of the process.
    """
    if platform != "linux":
        return f"it needs Linux, and this is {platform}"
    if grpcio not in TESTED_VERSIONS:
        return f"it was tested with grpcio {', '.join(TESTED_VERSIONS)}, and this is {grpcio}"
    if OLDER_POLLER not in environ.get("GRPC_EXPERIMENTS", "").split(","):
        return f"GRPC_EXPERIMENTS lacks {OLDER_POLLER}"
    strategy = environ.get("GRPC_POLL_STRATEGY", "")
    if strategy not in POLLERS_WITH_EPOLL:
        return f"it needs epoll1, and GRPC_POLL_STRATEGY is {strategy}"
    return ""
