"""What aiohttp raises before a body comes, as an error of ours."""

import errno
import socket

import aiohttp

from llmsvc_server.chat.tls import TlsTrouble
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.head_guard import SpeaksTlsError

_LACKS = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOBUFS: "memory",
    errno.ENOMEM: "memory",
}
"""What this machine has no more of, by the system's number."""

_VERIFY_CODES = {
    9: TlsTrouble.EXPIRED,  # not yet valid
    10: TlsTrouble.EXPIRED,
    62: TlsTrouble.OTHER_NAME,
    63: TlsTrouble.OTHER_NAME,
    64: TlsTrouble.OTHER_NAME,
}
"""OpenSSL's X509_V_ERR numbers; every other one says that the issuer is not trusted."""


class SpokeFirstError(aiohttp.ClientError):
    """A server that says something before it is asked: no HTTP server does."""


def translate(error: Exception, *, lack: str) -> ProviderError:
    """Return what an error before the body means.

    Args:
        error: Of aiohttp, or of the system.
        lack: What this process had none of when it made a socket; empty if nothing.
    """
    match error:
        case aiohttp.ClientConnectorError():
            return _translate_connecting(error, lack)
        case aiohttp.ConnectionTimeoutError():
            return _unreachable("")
        case aiohttp.ClientConnectionError() if died_silently(error):
            return ProviderError(ErrorKind.CONNECT, row="C03", phase="first_token")
        case aiohttp.ClientConnectionError():
            return ProviderError(ErrorKind.TRANSIENT, row="C07", phase="first_token")
        case SpokeFirstError():
            return ProviderError(ErrorKind.PROTOCOL, row="C08", phase="connect", called=False)
        case _:
            is_tls = isinstance(error, SpeaksTlsError) or isinstance(
                error.__cause__, SpeaksTlsError
            )
            cause = TlsTrouble.WANTED if is_tls else ""
            return ProviderError(ErrorKind.PROTOCOL, row="C08", phase="first_token", cause=cause)


def died_silently(error: aiohttp.ClientConnectionError) -> bool:
    """Return whether a connection that stood was lost before any byte of an answer."""
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ServerTimeoutError():
            return False
        case aiohttp.ServerDisconnectedError():
            return isinstance(error.message, str)  # else the beginning of a response
        case _:
            return True


def lack_in(error: OSError) -> str:
    """Return what this process had none of, by what the system said; empty if that was not it."""
    return _LACKS.get(error.errno or 0, "")


def _translate_connecting(error: aiohttp.ClientConnectorError, lack: str) -> ProviderError:
    lack = lack or lack_in(error.os_error)
    if not lack and isinstance(error, aiohttp.ClientConnectorDNSError):
        lack = _lack_now()  # the resolver hides what it lacked
    if lack:
        return ProviderError(ErrorKind.EXHAUSTED, phase="connect", cause=lack, called=False)
    return _unreachable(_tls_trouble(error))


def _unreachable(cause: str) -> ProviderError:
    return ProviderError(
        ErrorKind.CONNECT, row="C03", phase="connect", cause=cause, called=False, requests=1
    )


def _tls_trouble(error: aiohttp.ClientConnectorError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            code = getattr(error.certificate_error, "verify_code", 0)
            return _VERIFY_CODES.get(code, TlsTrouble.UNTRUSTED)
        case aiohttp.ClientSSLError():
            return TlsTrouble.FAILED
        case _:
            return ""


def _lack_now() -> str:
    try:
        socket.socket().close()
    except OSError as error:
        return lack_in(error)
    return ""
