"""One life: start, wait, drain, stop."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager

from llmsvc_server.app.build import App, build
from llmsvc_server.app.open_files import allow_open_files
from llmsvc_server.app.startup_report import describe_providers, describe_start
from llmsvc_server.config.cautions import count_files, find_warnings
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded
from llmsvc_server.errors import ProviderError
from llmsvc_server.observability.log_sink import LogSink
from llmsvc_server.observability.logging import Logger, logging_to
from llmsvc_server.reports import DrainState, FanOut, Reporter, Transition, place_of
from llmsvc_server.rpc.door.choice import Opened, Wish, open_door
from llmsvc_server.rpc.door.interface import NoSuchDoor
from llmsvc_server.rpc.listening import CannotBind

STOP_SLACK_S = 5.0
"""What server.stop() gets beyond the grace; the backstop, used only if calls do not end."""

LAST_WORDS_S = 0.5
"""What a status that was just sent may take to leave."""

CLOUD_WARNING_S = 3600.0

WAITS = "calls that run: {count}, and are waited for; Ctrl-C once more ends them now"

EXIT_DRAINED = 0
EXIT_DEFECT = 1
EXIT_NO_DOOR = 2
"""As for every setting that can't be met."""
EXIT_CANNOT_BIND = 3


class StopSignals:
    """SIGTERM, SIGINT, SIGHUP as events: the first asks to stop, the second to stop at once."""

    def __init__(self) -> None:
        """Wait for the first."""
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        self.interactive = False

    def receive(self, number: signal.Signals) -> None:
        """Take one signal."""
        if self.asked.is_set():
            self.insisted.set()
        else:
            self.interactive = number is signal.SIGINT
            self.asked.set()

    @contextmanager
    def install(self) -> Iterator[None]:
        """Listen while the block runs."""
        loop = asyncio.get_running_loop()
        heard = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
            heard.append(signal.SIGHUP)
        for number in heard:
            loop.add_signal_handler(number, self.receive, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)  # all has ended: one more changes nothing


async def serve(loaded: Loaded) -> int:
    """Run the service until it is told to stop; return the process's exit code.

    Args:
        loaded: Settings, and where they came from.
    """
    settings = loaded.settings
    as_json = settings.observability.log_format == "json" or (
        settings.observability.log_format == "auto" and not sys.stderr.isatty()
    )
    level = settings.observability.log_level
    with logging_to(sys.stderr, level=level, as_json=as_json) as logger:
        try:
            return await _run(loaded, logger)
        except Exception as error:  # noqa: BLE001  the last place that can say where, without the text
            first = _innermost(error)
            logger.error(  # noqa: TRY400  as above
                "server.crashed", exception=type(first).__name__, at=place_of(first)
            )
            return EXIT_DEFECT


async def _run(loaded: Loaded, logger: Logger) -> int:
    settings, reporter, stop = loaded.settings, FanOut(LogSink(logger)), StopSignals()
    # The loop keeps a book of all generators that have begun, for those that nobody closes. Ours
    # are all closed by whoever opened them; the book costs each stream a KiB
    # (docs/facts/hot-path.md 4).
    sys.set_asyncgen_hooks(firstiter=None)
    open_files = allow_open_files(count_files(settings))
    with stop.install():
        opened = await _open(settings, logger)
        if opened is None:
            return EXIT_NO_DOOR
        async with AsyncExitStack() as stack:
            try:
                app = await build(settings, stack, reporter, opened.door)
            except CannotBind as error:
                logger.error(  # noqa: TRY400  a fact for the operator, not a defect with a trace
                    "server.cannot_bind",
                    listen=error.listen,
                    address=error.address,
                    remedy=error.remedy,
                )
                return EXIT_CANNOT_BIND
            await app.start(refresh_s=settings.health.refresh_s)
            logger.info(
                "server.started", **describe_start(loaded, app.listening), door=opened.door.name
            )
            if opened.why:
                logger.info("server.door", door=opened.door.name, detail=opened.why)
            for warning in find_warnings(loaded, open_files=open_files):
                logger.warning("server.warning", detail=warning)
            _ = app.background.start(_report_providers(logger, app))
            _ = app.background.start(_warn_of_clouds(logger, app))
            await stop.asked.wait()
            if stop.interactive and len(app.in_flight):
                logger.warning("server.stopping", detail=WAITS.format(count=len(app.in_flight)))
            await drain(
                app,
                stop,
                reporter,
                pre_drain_s=0.0 if stop.interactive else settings.drain.pre_drain_s,
                grace_s=settings.drain.grace_s,
            )
    return EXIT_DRAINED


async def _open(settings: Settings, logger: Logger) -> Opened | None:
    """Return the door that is wished, None after telling that it can't be had."""
    try:
        return await open_door(Wish(settings.server.door))
    except NoSuchDoor as error:
        logger.error(  # noqa: TRY400  a fact for the operator, not a defect with a trace
            "server.cannot_open_door",
            door=settings.server.door,
            detail=str(error),
            remedy="set server.door to auto",
        )
        return None


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def drain(
    app: App, stop: StopSignals, reporter: Reporter, *, pre_drain_s: float, grace_s: float
) -> None:
    """End the service in the order that loses no call.

    Health turns first, and calls are still taken for `pre_drain_s` while balancers notice; then
    the gate closes, requests that still arrive are given up, and who is refused is told so behind
    the word that this connection ends (`rpc/drain_refusals.py`); what runs has `grace_s` to finish;
    then each call left ends with a status of its own. A second signal skips the waits.
    """
    _report(reporter, DrainState.DRAINING, f"{len(app.in_flight)} calls run")
    app.board.drain()
    _ = app.background.start(_expire_when_insisted(app, stop))
    await _wait(stop.insisted.wait(), pre_drain_s)
    app.admission.close()
    app.in_flight.close()
    app.providers.close()
    await app.in_flight.refusals.wait_for_quiet()
    backstop = app.background.start(app.server.stop(grace_s + STOP_SLACK_S))
    await asyncio.sleep(0)  # it has begun, and connections are told
    app.in_flight.refusals.release()
    await _wait(_wait_until_over(app, stop), grace_s)
    _expire_what_is_left(app, reporter)
    # No chat is left. What may still be open is a reflection stream, which must not hold us up.
    await app.server.stop(LAST_WORDS_S)
    await backstop
    await _wait(app.in_flight.empty(), LAST_WORDS_S)  # gRPC is done with calls before they are
    _report(reporter, DrainState.DRAINED, "")


async def _wait_until_over(app: App, stop: StopSignals) -> None:
    """Return once no call runs, and whole answers are with their callers or somebody insists."""
    await app.in_flight.empty()
    delivered = app.background.start(app.admission.empty())
    insisted = app.background.start(_wait_until_insisted(stop))
    _ = await asyncio.wait((delivered, insisted), return_when=asyncio.FIRST_COMPLETED)


def _expire_what_is_left(app: App, reporter: Reporter) -> None:
    if len(app.in_flight):
        _report(reporter, DrainState.EXPIRING, f"{len(app.in_flight)} calls are ended")
        app.in_flight.expire()


async def _wait_until_insisted(stop: StopSignals) -> None:
    _ = await stop.insisted.wait()


async def _expire_when_insisted(app: App, stop: StopSignals) -> None:
    await stop.insisted.wait()
    app.in_flight.expire()


async def _wait(end: Coroutine[object, object, object], max_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max_s):
            await end


async def _report_providers(logger: Logger, app: App) -> None:
    await app.providers.inventory.wait_for_first_poll()
    for finding in describe_providers(app.providers):
        level = logger.info if finding.good else logger.warning
        level("server.answers", detail=finding.text)


async def _warn_of_clouds(logger: Logger, app: App) -> None:
    """Say at start, and then hourly, which local servers could send content to their vendor."""
    while True:
        for endpoint, adapter in app.providers.may_forward.items():
            with contextlib.suppress(ProviderError):
                if await adapter.may_forward():
                    logger.warning(
                        "provider.may_forward",
                        provider=endpoint,
                        remedy="set OLLAMA_NO_CLOUD=1 for that Ollama, 0.16.2 or newer: then it"
                        " cannot send content to its vendor's cloud",
                    )
        await asyncio.sleep(CLOUD_WARNING_S)


def _report(reporter: Reporter, state: DrainState, detail: str) -> None:
    reporter.changed(Transition(name="server", state=state, detail=detail))
