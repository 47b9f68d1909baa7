"""Why this server and a provider could not agree on TLS."""

from enum import StrEnum


class TlsTrouble(StrEnum):
    """What was wrong: `cause` of the failure, and in what a caller is told."""

    UNTRUSTED = "certificateUntrusted"
    EXPIRED = "certificateExpired"
    OTHER_NAME = "certificateName"
    FAILED = "tlsFailed"
    WANTED = "tlsWanted"
