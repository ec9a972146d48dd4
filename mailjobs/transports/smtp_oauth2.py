"""Send systems 8 and 9: SMTP with an access token, by XOAUTH2 (Microsoft, Google) or OAUTHBEARER (RFC 7628)."""

from functools import partial

from mailjobs.core.envelope import Endpoint, Phase, Reply, TransportError, Trouble
from mailjobs.transports import smtp_login
from mailjobs.transports.bearer import MECHANISMS, Mechanism, status_of
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession
from mailjobs.transports.transcript import hide

_MECHANISMS = dict(MECHANISMS)


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> SmtpSession:
    """A session that is logged in; the endpoint's secret is an access token. It is offered once, with one mechanism.

    Raises TransportError; in Phase.AUTH with the server's refusal, or with MAILBOX_MISSING, AUTH_NEEDS_TLS (S7) or
    MECHANISM_MISSING.
    """
    return await SmtpSession.open(endpoint, authenticate=_log_in, timeouts=timeouts, pipelining=pipelining)


verify = partial(smtp_login.verify, open_session)


async def _log_in(session: SmtpConnection) -> None:
    """What the server says in its challenge (RFC 7628 3.2.2) belongs to the refusal that follows it."""
    endpoint = session.endpoint
    if not endpoint.username:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.MAILBOX_MISSING)
    bearers = {name: _Bearer(mechanism, endpoint) for name, mechanism in _MECHANISMS.items()}
    try:
        await smtp_login.log_in(session, {name: partial(_same, bearer) for name, bearer in bearers.items()}, guessable=True)
    except TransportError as error:
        status = next((bearer.status for bearer in bearers.values() if bearer.status), "")
        if error.reply is not None and status:
            said = hide(f"{error.reply.text} ({status})", [endpoint.secret])
            error.reply = Reply(error.reply.code, error.reply.enhanced, said[:500], error.reply.wait)
        raise


def _same(bearer: "_Bearer") -> "_Bearer":
    return bearer


class _Bearer:
    """One exchange: the token goes with the first line; a server that refuses it says why in a challenge, as JSON."""

    def __init__(self, mechanism: Mechanism, endpoint: Endpoint) -> None:
        self._end, self._line = mechanism.end, mechanism.first_line(endpoint)
        self.initial: bytes | None = self._line
        self.status = ""
        self._answered = False

    async def respond(self, challenge: bytes) -> bytes:
        if not challenge and not self._answered:  # a server that ignores the initial response asks for it
            self._answered = True
            return self._line
        self.status = status_of(challenge)
        return self._end
