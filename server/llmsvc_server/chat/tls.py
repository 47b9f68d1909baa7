"""Why this server and a provider could not agree on TLS, and what is told of it."""

from enum import StrEnum
from typing import Self


class TlsTrouble(StrEnum):
    """What was wrong: `cause` of the failure.

    Attributes:
        sentence: What a caller is told, of `{provider}`.
        problem: What the operator is told at start, of `{address}`.
    """

    sentence: str
    problem: str

    def __new__(cls, name: str, sentence: str, problem: str) -> Self:
        """Make the member called `name`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        member.problem = problem
        return member

    UNTRUSTED = (
        "certificateUntrusted",
        (
            "This server does not trust who signed the certificate of provider {provider}; its operator"
            " can add the issuer."
        ),
        (
            "this machine trusts nobody who signed the certificate of {address}: name its issuer's"
            " certificate with SSL_CERT_FILE, or let a known one sign it"
        ),
    )
    EXPIRED = (
        "certificateExpired",
        "The certificate of provider {provider} is not valid today; it must be renewed.",
        "the certificate of {address} is not valid today: renew it, or set this machine's clock",
    )
    OTHER_NAME = (
        "certificateName",
        (
            "The certificate of provider {provider} is for another name than the configured address"
            " has."
        ),
        "the certificate of {address} is for another name: let base_url say a name that it holds",
    )
    FAILED = (
        "tlsFailed",
        (
            "Provider {provider} does not speak TLS with this server, as the configured address"
            " demands."
        ),
        (
            "no TLS came about with {address}: does it speak plain http, or want a certificate of"
            " ours?"
        ),
    )
    WANTED = (
        "tlsWanted",
        "Provider {provider} speaks TLS; the configured address says http.",
        "{address} speaks TLS: let base_url begin with https",
    )
