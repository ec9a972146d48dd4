"""How a connection is encrypted: verified always, no weaker than asked, trust in the system's CAs and one's own (Z5)."""

import os
import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import Any

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble

_MEMORY = "/dev/shm"  # noqa: S108 (a file there never reaches a disk)
_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# OpenSSL's X509_V_ERR_* (x509_vfy.h)
_TROUBLE_BY_VERIFY_CODE = {
    9: Trouble.CERTIFICATE_EXPIRED,  # not yet valid: outside its dates as well
    10: Trouble.CERTIFICATE_EXPIRED,
    62: Trouble.CERTIFICATE_NAME,  # host name
    64: Trouble.CERTIFICATE_NAME,  # IP address
}
_VERSION_REASONS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE"}
)


def context(endpoint: Endpoint) -> ssl.SSLContext:
    """The client context for an endpoint, which shows its client certificate where the server asks for one.

    Without a client certificate it is made once for each minimum version and set of trusted CAs, until the process ends.
    Raises TransportError in Phase.TLS where a CA or the certificate with its key cannot be read.
    """
    make = _made if endpoint.client_certificate else _kept
    try:
        made = make(endpoint.tls_min, endpoint.ca_certificate, endpoint.ca_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise TransportError(phase=Phase.TLS, trouble=Trouble.OTHER, detail="the trusted CA cannot be read") from error
    if endpoint.client_certificate:
        _show_certificate(made, endpoint)
    return made


def trouble_of(error: OSError) -> Trouble:
    """What a failed handshake means."""
    match error:
        case ssl.SSLCertVerificationError():
            return _TROUBLE_BY_VERIFY_CODE.get(error.verify_code, Trouble.CERTIFICATE_UNTRUSTED)
        case ssl.SSLError():
            return Trouble.TLS_VERSION if error.reason in _VERSION_REASONS else Trouble.OTHER
        case TimeoutError() | ConnectionAbortedError():  # asyncio's word for a handshake that takes too long
            return Trouble.TIMEOUT
        case ConnectionError():
            return Trouble.CLOSED_BY_SERVER
        case _:
            return Trouble.OTHER


def detail_of(error: OSError) -> str:
    """OpenSSL's own words, without the place in its source."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message or ""
        case ssl.SSLError():
            return error.reason or ""
        case _:
            return error.strerror or ""


def found_of(encrypted: ssl.SSLObject) -> dict[str, Any]:
    """`version`, `cipher` and `certificate` (DER, empty without one) of an encrypted connection."""
    cipher = encrypted.cipher()
    certificate = encrypted.getpeercert(binary_form=True) or b""
    return {"version": encrypted.version() or "", "cipher": cipher[0] if cipher else "", "certificate": certificate}


def _made(tls_min: str, ca_certificate: str, ca_file: str) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    made.minimum_version = _MINIMUM[tls_min]
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # a firm may trust its own server's certificate alone
    if ca_certificate:
        made.load_verify_locations(cadata=ca_certificate)
    if ca_file:
        made.load_verify_locations(cafile=ca_file)
    return made


_kept = lru_cache(maxsize=256)(_made)  # but what holds a key is kept no longer than its connection


def _show_certificate(made: ssl.SSLContext, endpoint: Endpoint) -> None:
    try:
        with NamedTemporaryFile("w", prefix="client-", dir=_MEMORY if os.path.isdir(_MEMORY) else None) as file:  # mode 0600
            file.write(f"{endpoint.client_key}\n{endpoint.client_certificate}\n")
            file.flush()
            made.load_cert_chain(file.name, password="")  # the ssl module reads files only
    except (OSError, ValueError) as error:
        raise TransportError(phase=Phase.TLS, trouble=Trouble.OTHER, detail="the client certificate cannot be read") from error
