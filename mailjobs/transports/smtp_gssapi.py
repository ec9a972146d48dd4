"""Send systems 2 and 3: SMTP with the Kerberos identity of the process, AUTH GSSAPI (S1, RFC 4752)."""

from functools import partial
from time import monotonic

import structlog

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network, smtp_login
from mailjobs.transports.kerberos import Identity, Initiator
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession

NEAR_END = 2 * 60 * 60.0  # seconds that a ticket lasts yet when the log begins to say so
SAID_AGAIN = 10 * 60.0  # seconds after which it says so again
_NO_LAYER = 1  # of RFC 4752 section 3.3: TLS protects the session
_LAYERS = 4  # octets: the layers offered, the largest message in three octets

log = structlog.get_logger(__name__)


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> SmtpSession:
    """A session that is logged in as this process; user and password of the connection are not looked at.

    Raises TransportError; in Phase.AUTH as `kerberos.Initiator` and `smtp_login.log_in` do.
    """
    login = partial(_log_in, timeouts=timeouts)
    return await SmtpSession.open(endpoint, authenticate=login, timeouts=timeouts, pipelining=pipelining)


verify = partial(smtp_login.verify, open_session)


async def _log_in(session: SmtpConnection, *, timeouts: Timeouts) -> None:
    """The identity is looked for before AUTH is said: without one the server is not bothered, and counts no refused login."""
    host = network.server_name(session.endpoint.host)
    initiator = Initiator(f"smtp@{host}", timeout=timeouts.connect)
    _warning.look_at(await initiator.identity())
    await smtp_login.log_in(session, {"GSSAPI": partial(_Gssapi, initiator)}, guessable=False)


class _Gssapi:
    """RFC 4752 section 3.1. The first token has a line of its own: with Active Directory's it is too long for the command's."""

    initial: bytes | None = None

    def __init__(self, initiator: Initiator) -> None:
        self._initiator = initiator
        self._begun = False

    async def respond(self, challenge: bytes) -> bytes:
        if self._begun and self._initiator.complete:
            return await self._choose_layer(challenge)
        token = challenge if self._begun else None  # the first challenge is empty, or a word of greeting
        self._begun = True
        return await self._initiator.step(token)

    async def _choose_layer(self, challenge: bytes) -> bytes:
        """The server's offer of security layers, answered with none of them, for the identity that was authenticated."""
        offer = await self._initiator.unwrap(challenge)
        if len(offer) != _LAYERS:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.NOT_SMTP, detail="a malformed offer in AUTH GSSAPI")
        if not offer[0] & _NO_LAYER:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING, detail="GSSAPI only with a security layer")
        return await self._initiator.wrap(bytes([_NO_LAYER, 0, 0, 0]))


class _Warning:
    """Says in the log that a ticket which nobody renews is about to end; from time to time, not for each session."""

    def __init__(self) -> None:
        self._said_at: float | None = None

    def look_at(self, identity: Identity) -> None:
        if identity.renews_itself or identity.seconds > NEAR_END:
            return
        now = monotonic()
        if self._said_at is None or now - self._said_at >= SAID_AGAIN:
            self._said_at = now
            log.warning(
                "the Kerberos ticket of send systems 2 and 3 ends soon and no keytab renews it",
                principal=identity.principal,
                minutes=identity.seconds // 60,
            )


_warning = _Warning()
