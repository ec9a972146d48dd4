"""How a request to Exchange says who asks: Basic (RFC 7617), NTLM (MS-NTHT, of one connection), an access token (RFC 6750)."""

import base64
import binascii
import logging
import re
import struct
from collections.abc import Iterator, Mapping

import spnego
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network
from mailjobs.transports.https import Answer, Https
from mailjobs.transports.web_reply import reply_of

logging.getLogger("spnego").setLevel(logging.INFO)  # below it writes the tokens down, of which a password can be guessed (Z8)

_CHALLENGE = re.compile(r"(?:^|,)\s*(?P<scheme>[A-Za-z][A-Za-z0-9-]*)(?:\s+(?P<token>[A-Za-z0-9+/]+=*)(?=\s*(?:,|$)))?", re.ASCII)
_NTLM = {"ntlm": "ntlm", "negotiate": "negotiate"}  # scheme → what pyspnego calls it; NTLM by either
_TOO_WEAK = (hashes.MD5, hashes.SHA1)  # RFC 5929 4.1: SHA-256 in their place


class HttpLogin:
    """The login of an endpoint over one `Https`. `kind`: "basic", "ntlm", "oauth2"; empty: what the server offers, NTLM first."""

    def __init__(self, https: Https, endpoint: Endpoint, kind: str) -> None:
        self._https, self._endpoint, self._kind = https, endpoint, kind
        self._scheme = ""  # that the server offers NTLM by
        self._connection: int | None = None  # that the latest login by NTLM is good for

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of it."""
        return self._endpoint.secret, self._basic

    async def headers(self, phase: Phase) -> dict[str, str]:
        """What the next request says. NTLM: this speaks with the server first, and is good for the latest connection only.

        Raises TransportError in `phase` or before: the refusal, or MECHANISM_MISSING where the server offers other ways only.
        """
        if self._kind == "oauth2":
            return {"Authorization": f"Bearer {self._endpoint.secret}"}
        if not self._kind:
            self._kind = "ntlm" if await self._scheme_offered(phase) else "basic"
        if self._kind == "basic":
            return {"Authorization": f"Basic {self._basic}"}
        return {"Authorization": await self._by_ntlm(phase)}

    @property
    def left_behind(self) -> bool:
        """Whether the login was said on a connection that has been replaced since: on the new one nobody is logged in."""
        return self._connection not in {None, self._https.connections}

    def check_offered(self, refusal: Answer) -> None:
        """A 401 says what would be taken. Raises TransportError, MECHANISM_MISSING, where that is not what was used: then neither
        user nor password is wrong.
        """
        wanted = {"basic": {"basic"}, "oauth2": {"bearer"}, "ntlm": set(_NTLM)}[self._kind]
        offered = _offers(refusal.headers)
        if offered and not wanted & offered.keys():
            raise _not_offered(offered)

    @property
    def _basic(self) -> str:
        return base64.b64encode(f"{self._account}:{self._endpoint.secret}".encode()).decode()

    @property
    def _account(self) -> str:
        """`DOMAIN\\user`; a user who is written with a domain already keeps it."""
        user, domain = self._endpoint.username, self._endpoint.domain
        return f"{domain}\\{user}" if domain and "\\" not in user and "@" not in user else user

    async def _scheme_offered(self, phase: Phase) -> str:
        """By which scheme the server takes NTLM; empty where it takes Basic only."""
        answer = await self._ask({}, phase)
        offered = _offers(answer.headers)
        self._scheme = next((scheme for scheme in _NTLM if scheme in offered), "")
        if not self._scheme and "basic" not in offered:
            raise _not_offered(offered)
        return self._scheme

    async def _by_ntlm(self, phase: Phase) -> str:
        if not self._scheme and not await self._scheme_offered(phase):
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING, detail="basic")
        name = "NTLM" if self._scheme == "ntlm" else "Negotiate"
        context = self._context()
        answer = await self._ask({"Authorization": f"{name} {_encoded(context.step())}"}, phase)
        challenge = _offers(answer.headers).get(self._scheme, "")
        if not challenge:
            raise TransportError(phase=phase, trouble=Trouble.BAD_REPLY, detail="no challenge to NTLM")
        try:
            token = context.step(base64.b64decode(challenge), channel_bindings=_binding_of(self._https.certificate))
        except (SpnegoError, ValueError, LookupError, struct.error, binascii.Error) as error:
            raise TransportError(phase=phase, trouble=Trouble.BAD_REPLY, detail="a malformed challenge in NTLM") from error
        self._connection = self._https.connections
        return f"{name} {_encoded(token)}"

    def _context(self) -> spnego.ContextProxy:
        host = network.server_name(self._endpoint.host)
        login = spnego.Password(self._account, self._endpoint.secret)
        own = spnego.NegotiateOptions.use_ntlm
        return spnego.client(login, hostname=host, service="HTTP", protocol=_NTLM[self._scheme], options=own)

    async def _ask(self, headers: Mapping[str, str], phase: Phase) -> Answer:
        """The 401 that answers a request which says nothing else."""
        answer = await self._https.request("POST", self._endpoint.url, headers=headers, phase=phase)
        if answer.status == 401:
            return answer
        if answer.status >= 400:
            raise TransportError(phase=phase, reply=reply_of(answer, self.secrets))
        raise TransportError(phase=phase, trouble=Trouble.BAD_REPLY, detail=f"HTTP {answer.status} in place of a log-in")


def _offers(headers: Mapping[str, str]) -> dict[str, str]:
    """What WWW-Authenticate offers (RFC 9110 11.6.1): schemes in lower case, each with its token."""
    return dict(_challenges(headers.get("www-authenticate", "")))


def _challenges(field: str) -> Iterator[tuple[str, str]]:
    for found in _CHALLENGE.finditer(field):
        if not field[found.end("scheme") :].lstrip().startswith("="):  # else a parameter of the scheme before
            yield found["scheme"].lower(), found["token"] or ""


def _not_offered(offered: Mapping[str, str]) -> TransportError:
    return TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING, detail=" ".join(offered)[:200])


def _encoded(token: bytes | None) -> str:
    return base64.b64encode(token or b"").decode()


def _binding_of(certificate: bytes) -> GssChannelBindings | None:
    """Ties the login to this TLS connection, as Exchange's Extended Protection wants it (RFC 5929 4, `tls-server-end-point`)."""
    if not certificate:
        return None
    try:
        used = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return None
    digest = hashes.Hash(hashes.SHA256() if used is None or isinstance(used, _TOO_WEAK) else used)
    digest.update(certificate)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())
