from collections.abc import Mapping

import grpc
import pytest

from llmsvc_server.cli import GRPC_PRESETS
from llmsvc_server.rpc.door.choice import (
    TESTED_VERSIONS,
    Wish,
    find_lack,
    open_door,
)
from llmsvc_server.rpc.door.interface import NoSuchDoor

(VERSION, *_) = TESTED_VERSIONS
OLDER = "-event_engine_client,-event_engine_listener"


def test_with_our_presets_nothing_lacks() -> None:
    assert not find_lack("linux", VERSION, GRPC_PRESETS)


def test_the_installed_grpcio_was_tested() -> None:
    assert grpc.__version__ in TESTED_VERSIONS


@pytest.mark.parametrize("strategy", ["epoll1", "all", ""])
def test_every_strategy_that_means_epoll_will_do(strategy: str) -> None:
    environ = {"GRPC_EXPERIMENTS": OLDER, "GRPC_POLL_STRATEGY": strategy}

    assert not find_lack("linux", VERSION, environ)


@pytest.mark.parametrize(
    ("platform", "version", "environ", "why"),
    [
        ("darwin", VERSION, GRPC_PRESETS, "it needs Linux, and this is darwin"),
        ("win32", VERSION, GRPC_PRESETS, "it needs Linux, and this is win32"),
        ("linux", "1.99.0", GRPC_PRESETS, "this is 1.99.0"),
        ("linux", f"{VERSION}.dev1", GRPC_PRESETS, f"this is {VERSION}.dev1"),
        ("linux", VERSION, {}, "GRPC_EXPERIMENTS lacks -event_engine_listener"),
        ("linux", VERSION, {"GRPC_EXPERIMENTS": ""}, "GRPC_EXPERIMENTS lacks"),
        ("linux", VERSION, {"GRPC_EXPERIMENTS": "event_engine_listener"}, "GRPC_EXPERIMENTS lacks"),
        (
            "linux",
            VERSION,
            {"GRPC_EXPERIMENTS": OLDER, "GRPC_POLL_STRATEGY": "poll"},
            "it needs epoll1, and GRPC_POLL_STRATEGY is poll",
        ),
    ],
)
def test_what_lacks_is_said(
    platform: str, version: str, environ: Mapping[str, str], why: str
) -> None:
    assert why in find_lack(platform, version, environ)


async def test_who_wishes_grpc_aio_has_it_without_a_word() -> None:
    opened = await open_door(Wish.AIO)

    assert ("aio", "") == (opened.door.name, opened.why)


async def test_where_the_one_in_the_loop_cannot_be_the_other_is_opened_and_says_why() -> None:
    opened = await open_door(Wish.AUTO)  # here are gRPC clients

    assert opened.door.name == "aio"
    assert opened.why


async def test_who_insists_on_the_one_in_the_loop_is_told_that_it_cannot_be() -> None:
    with pytest.raises(NoSuchDoor, match=r"GRPC_EXPERIMENTS|already"):
        await open_door(Wish.IN_LOOP)
