"""One command's run: where it speaks, and how its failures are told."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llmsvc_client.cli.as_json import failure_json
from llmsvc_client.cli.exits import Exit, exit_of
from llmsvc_client.cli.output import Output, Remarks
from llmsvc_client.cli.receipt import receipt_of_failure
from llmsvc_client.cli.render import describe_failure
from llmsvc_client.client import Client
from llmsvc_client.errors import LlmsvcError


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What all commands share.

    Attributes:
        as_json: Whether to speak to programs, who get all facts anyway.
        verbose: Whether people get the receipt of each call.
        output: Where the answer goes.
        remarks: Where everything else goes.
    """

    as_json: bool
    verbose: bool
    output: Output
    remarks: Remarks

    async def run(self, address: str, command: Callable[[Client], Awaitable[Exit]]) -> Exit:
        """Run a command with a client of its own, and tell what fails.

        A reader of the output who leaves has had enough: that ends the command in peace.

        Args:
            address: Where the server is, checked.
            command: What to do; returns the exit code.
        """
        try:
            async with Client(address) as client:
                return await command(client)
        except LlmsvcError as error:
            self._report(error, address)
            return exit_of(error)
        except BrokenPipeError:
            self.output.abandon()
            return Exit.OK
        except OSError as error:
            self.output.abandon()
            self.remarks.say(f"llmsvc: cannot write the answer: {error.strerror}", style="red")
            return Exit.REFUSED

    def _report(self, error: LlmsvcError, address: str) -> None:
        if self.as_json:
            self.remarks.say(failure_json(error), style="red")
            return
        for line in receipt_of_failure(error) if self.verbose else []:
            self.remarks.say(line)
        for line in describe_failure(error, address):
            self.remarks.say(line, style="red")


def session_of_process(*, as_json: bool, verbose: bool = False) -> Session:
    """Return a session that speaks through the process's own streams."""
    return Session(
        as_json=as_json,
        verbose=verbose,
        output=Output(sys.stdout),
        remarks=Remarks(sys.stderr),
    )
