"""`python -m tests.egress.alone COMMAND...`: runs a command where there is no network but loopback."""

import ctypes
import fcntl
import os
import socket
import struct
import sys

NO_NAMESPACES = 77
"""Exit code where the kernel allows no network namespace."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def main() -> None:
    """Leave the network and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        sys.exit(NO_NAMESPACES)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  the test's own command


if __name__ == "__main__":
    main()
