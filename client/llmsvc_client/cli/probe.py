"""`llmsvc health`: the state of one health name, for people and for probes."""

import json
from typing import Final

from llmsvc_client.channel import READINESS
from llmsvc_client.cli.address import address_of_environment
from llmsvc_client.cli.exits import Exit
from llmsvc_client.cli.interrupt import run_until_ctrl_c
from llmsvc_client.cli.session import Session, session_of_process
from llmsvc_client.client import Client
from llmsvc_client.errors import NotFoundError
from llmsvc_client.types import HealthStatus

TIMEOUT_S: Final = 5.0


def run_health(
    name: str = READINESS,
    *,
    address: str | None = None,
    timeout_s: float = TIMEOUT_S,
    as_json: bool = False,
) -> Exit:
    """Run the whole command.

    Args:
        name: The health name.
        address: Where the server is, checked. None: as the environment says.
        timeout_s: Time for the call in seconds.
        as_json: Whether to speak to programs.

    Returns:
        The exit code.
    """
    session = session_of_process(as_json=as_json)
    try:
        address = address or address_of_environment()
    except ValueError as error:
        session.remarks.say(f"llmsvc: {error}", style="red")
        return Exit.USAGE
    return run_until_ctrl_c(
        session.run(address, lambda client: health(client, name, timeout_s, session))
    )


async def health(client: Client, name: str, timeout_s: float, session: Session) -> Exit:
    """Show the state of one health name; a name that does not exist is UNKNOWN.

    Raises:
        LlmsvcError: The call failed.
        OSError: The state can't be written.

    Returns:
        OK if it serves, else NOT_SERVING.
    """
    try:
        status = await client.health(name, timeout_s=timeout_s)
    except NotFoundError:
        status = HealthStatus.UNKNOWN
        session.remarks.say(f"llmsvc: the server has no health name {name!r}", style="red")
    word = status.value.upper()
    line = json.dumps({"name": name, "status": word}) if session.as_json else word
    session.output.write(line + "\n")
    return Exit.OK if status is HealthStatus.SERVING else Exit.NOT_SERVING
