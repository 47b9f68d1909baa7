"""One command's run: where it speaks, and how its failures are told."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llmsvc_client.cli.exits import Exit, exit_of
from llmsvc_client.cli.output import Output, Remarks
from llmsvc_client.cli.render import failure_json, what_failed
from llmsvc_client.client import Client
from llmsvc_client.errors import LlmsvcError


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What all commands share.

    Attributes:
        as_json: Whether to speak to programs.
        output: Where the answer goes.
        remarks: Where everything else goes.
    """

    as_json: bool
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
            lines = [failure_json(error)] if self.as_json else what_failed(error, address)
            for line in lines:
                self.remarks.say(line, style="red")
            return exit_of(error)
        except BrokenPipeError:
            self.output.abandon()
            return Exit.OK
        except OSError as error:
            self.output.abandon()
            self.remarks.say(f"llmsvc: cannot write the answer: {error.strerror}", style="red")
            return Exit.REFUSED


def session_of_process(*, as_json: bool) -> Session:
    """Return a session that speaks through the process's own streams."""
    return Session(as_json=as_json, output=Output(sys.stdout), remarks=Remarks(sys.stderr))
