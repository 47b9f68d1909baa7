"""What every measure works with: the upstream, the load client, and processes to measure."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from llmsvc_server.cli import GRPC_PRESETS
from tests.bench.build import Programs
from tests.bench.door import Door
from tests.bench.effort import Effort
from tests.bench.failure import NotMeasuredError
from tests.bench.load import Counted, First, Load, Ready
from tests.bench.look import Look
from tests.bench.procs import Subject, free_port, running
from tests.bench.watched import REPORTS

MAX_CHATS = 1000
_WATCHED = (sys.executable, "-m", "tests.bench.watched")
_PRESETS: Mapping[str, dict[str, str]] = {"physical": GRPC_PRESETS}
"""Variables of floors that are made of our own parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What an experiment may change from outside."""

    servers: Mapping[Door, Path]  # programs to measure, taking `serve --config FILE`
    server_env: dict[str, str]
    floor_env: dict[str, str]
    floor_options: tuple[str, ...]  # channel arguments, NAME=VALUE
    with_floors: bool

    @property
    def doors(self) -> tuple[Door, ...]:
        """Ours to be measured; none where ours are left out."""
        return tuple(self.servers)


class Ledger(msgspec.Struct, frozen=True):
    """The fake upstream's own count."""

    connections: int
    chatted: int  # of them, those whose last request was for a chat
    chats: int
    faults: dict[str, int]  # given, by kind of provider and row of docs/failover.md 2.2
    sorts: int  # how many of those there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One upstream and everything that can be put in front of it, one at a time."""

    effort: Effort
    switches: Switches
    programs: Programs
    upstream: Subject
    gate_url: str  # the upstream's second address, which it can shut
    folder: Path  # for logs and configuration

    @property
    def load(self) -> Load:
        """The load client."""
        return Load(program=self.programs.load)

    @property
    def upstream_url(self) -> str:
        """Base URL of the fake upstream."""
        return f"http://{self.upstream.target}"

    @contextlib.contextmanager
    def ours(self, door: Door, llm: Mapping[str, object] | None = None) -> Iterator[Subject]:
        """Yield our server, ready to answer: limits raised, all else as it comes.

        Args:
            door: How it takes calls.
            llm: Its providers and their order; None for the fake Ollama alone.
        """
        with self.ours_unready(door, llm) as subject:
            self.wait_serving(subject, "readiness")
            yield subject

    def ours_unready(
        self, door: Door, llm: Mapping[str, object] | None = None
    ) -> contextlib.AbstractContextManager[Subject]:
        """Return what yields our server the moment its process exists; arguments as for `ours`."""
        return self._started(door, llm, [str(self.switches.servers[door])], {})

    @contextlib.contextmanager
    def watched(self, door: Door, llm: Mapping[str, object] | None = None) -> Iterator[Look]:
        """Yield a look into a server of ours, ready to answer; arguments as for `ours`."""
        reports = self.folder / f"{door}.reports"
        program = [*_WATCHED, "llmsvc_server"]
        with self._started(door, llm, program, {REPORTS: str(reports)}) as subject:
            self.wait_serving(subject, "readiness")
            yield Look(subject=subject, reports=reports)

    def wait_serving(self, subject: Subject, service: str) -> int:
        """Return when a health name was first SERVING, in ns of the monotonic clock.

        Raises:
            NotMeasuredError: It was not, within 20 seconds.
        """
        try:
            return self.load.run(Ready, "ready", target=subject.target, service=service).at_ns
        except NotMeasuredError as error:
            raise NotMeasuredError(f"{error}; the server said: {subject.last_words()}") from error

    @contextlib.contextmanager
    def _started(
        self,
        door: Door,
        llm: Mapping[str, object] | None,
        program: Sequence[str],
        environment: Mapping[str, str],
    ) -> Iterator[Subject]:
        target = f"127.0.0.1:{free_port()}"
        server: dict[str, object] = {"listen": target, "max_chats": MAX_CHATS}
        if door is not Door.BEFORE:
            server["door"] = door.value
        config = self.folder / f"{door}.yaml"
        settings = {"server": server, "llm": llm or alone(ollama(self.upstream_url))}
        config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        with running(
            [*program, "serve", "--config", str(config)],
            target=target,
            log=self.folder / f"{door}.log",
            environment={**self.switches.server_env, **environment},
        ) as subject:
            yield subject

    @contextlib.contextmanager
    def floor(self, name: str) -> Iterator[Subject]:
        """Yield a floor that serves gRPC, once its port is open."""
        with self.floor_client(name) as subject:
            self.load.run(Ready, "ready", target=subject.target)
            yield subject

    @contextlib.contextmanager
    def watched_floor(self, name: str) -> Iterator[Look]:
        """Yield a look into such a floor."""
        reports = self.folder / f"{name}.reports"
        command, environment = [*_WATCHED, _module(name)], {REPORTS: str(reports)}
        with self._floor_started(name, command, environment) as subject:
            self.load.run(Ready, "ready", target=subject.target)
            yield Look(subject=subject, reports=reports)

    @contextlib.contextmanager
    def go_relay(self) -> Iterator[Subject]:
        """Yield the compiled relay, once its port is open."""
        target = f"127.0.0.1:{free_port()}"
        with running(
            [str(self.programs.relay), f"-listen={target}", f"-upstream={self.upstream_url}"],
            target=target,
            log=self.folder / "go-relay.log",
            environment={},
        ) as subject:
            self.load.run(Ready, "ready", target=target)
            yield subject

    def floor_client(
        self, name: str, *arguments: str
    ) -> contextlib.AbstractContextManager[Subject]:
        """Return what yields a floor that serves nobody and loads the upstream by itself."""
        return self._floor_started(name, [*_command(name), *arguments], {})

    @contextlib.contextmanager
    def _floor_started(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[Subject]:
        port = free_port()
        options = [f"--option={option}" for option in self.switches.floor_options]
        with running(
            [*command, f"--port={port}", f"--upstream={self.upstream_url}", *options],
            target=f"127.0.0.1:{port}",
            log=self.folder / f"{name}.log",
            environment={**_PRESETS.get(name, {}), **self.switches.floor_env, **environment},
        ) as subject:
            yield subject

    def floor_output(self, name: str, *arguments: str) -> First:
        """Return what a floor that measures itself printed.

        Raises:
            subprocess.CalledProcessError: It failed; it has said why on stderr.
        """
        command = [*_command(name), f"--upstream={self.upstream_url}", *arguments]
        environment = os.environ | self.switches.floor_env
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own words
        return msgspec.json.decode(done.stdout, type=First)

    def ledger(self) -> Ledger:
        """Return what the upstream counts now."""
        connection = http.client.HTTPConnection(self.upstream.target, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/bench/ledger")
            return msgspec.json.decode(connection.getresponse().read(), type=Ledger)


def _module(floor: str) -> str:
    return f"tests.bench.floors.{floor}"


def _command(floor: str) -> list[str]:
    return [sys.executable, "-m", _module(floor)]


def ollama(url: str, **more: object) -> dict[str, object]:
    """Return an entry of the configuration for an Ollama."""
    return {
        "kind": "ollama",
        "base_url": url,
        "model": "phi3:mini",
        "max_in_flight_per_model": MAX_CHATS,
        **more,
    }


def openai(url: str, **more: object) -> dict[str, object]:
    """Return an entry for an OpenAI; `url` is the root of its server."""
    return {
        "kind": "openai",
        "base_url": f"{url}/v1",
        "model": "gpt-4o-mini",
        "api_key": "bench",
        "max_in_flight": MAX_CHATS,
        **more,
    }


def anthropic(url: str, **more: object) -> dict[str, object]:
    """Return an entry for an Anthropic."""
    return {
        "kind": "anthropic",
        "base_url": url,
        "model": "claude-haiku-4-5",
        "api_key": "bench",
        "max_in_flight": MAX_CHATS,
        **more,
    }


def alone(provider: Mapping[str, object]) -> dict[str, object]:
    """Return what makes a server ask that one and nobody else."""
    name = str(provider["kind"])
    return {"default_provider": name, "providers": {name: provider}}


def others_share(counted: Counted) -> float:
    """Return what other processes used during the window, in cores."""
    return counted.window.others_ns / counted.window.wall_ns


@contextlib.contextmanager
def upstream_running(programs: Programs, folder: Path) -> Iterator[tuple[Subject, str]]:
    """Yield the fake upstream, once its port is open, and the URL of its gate."""
    target, gate = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with running(
        [str(programs.upstream), f"-listen={target}", f"-gate={gate}"],
        target=target,
        log=folder / "upstream.log",
        environment={},
    ) as subject:
        Load(program=programs.load).run(Ready, "ready", target=target)
        yield subject, f"http://{gate}"
