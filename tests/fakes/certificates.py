"""Certificates for upstreams of TLS. Their keys lie open beside them and guard nothing.

The issuer, in `issuer.pem`, is trusted by nobody; its key was thrown away.
"""

import ssl
from enum import StrEnum
from pathlib import Path

_FOLDER = Path(__file__).with_name("certificates")
ISSUER = _FOLDER / "issuer.pem"


class Certificate(StrEnum):
    """What is right or wrong with it, for a server at localhost or 127.0.0.1."""

    GOOD = "good"
    EXPIRED = "expired"
    OTHER_NAME = "other_name"


def tls_with(certificate: Certificate) -> ssl.SSLContext:
    """Return what a server of TLS shows its callers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_FOLDER / f"{certificate}.pem")
    return context
