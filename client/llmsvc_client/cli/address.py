"""Where commands call when no option says so."""

import os
from typing import Final

from llmsvc_client.channel import check_address

ADDRESS_VARIABLE: Final = "LLMSVC_CLIENT_ADDRESS"
DEFAULT_ADDRESS: Final = "localhost:50051"


def address_of_environment() -> str:
    """Return the address from the environment, else the default.

    Raises:
        ValueError: The variable holds no address; the text names it.
    """
    address = os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
    try:
        return check_address(address)
    except ValueError as error:
        raise ValueError(f"{ADDRESS_VARIABLE}: {error}") from None
