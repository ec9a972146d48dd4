"""Send systems 0 and 1: SMTP with the user and password of the connection (S), or without a login where there is none."""

import hmac
from functools import partial

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import smtp_login
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> SmtpSession:
    """A session that is logged in; without a user name there is no AUTH. A login is tried once, with one mechanism.

    Raises TransportError; in Phase.AUTH as `smtp_login.log_in` says.
    """
    login = _log_in if endpoint.username else None
    return await SmtpSession.open(endpoint, authenticate=login, timeouts=timeouts, pipelining=pipelining)


verify = partial(smtp_login.verify, open_session)


async def _log_in(session: SmtpConnection) -> None:
    login = (session.endpoint.username.encode(), session.endpoint.secret.encode())
    exchanges: dict[str, smtp_login.Begin] = {
        "PLAIN": partial(_Plain, *login),
        "LOGIN": partial(_Login, *login),
        "CRAM-MD5": partial(_CramMd5, *login),
    }
    await smtp_login.log_in(session, exchanges, guessable=True)


class _Plain:
    """RFC 4616."""

    def __init__(self, username: bytes, password: bytes) -> None:
        self.initial: bytes | None = b"\0" + username + b"\0" + password

    async def respond(self, challenge: bytes) -> bytes:
        """A server that ignores the initial response asks for it with an empty challenge."""
        return self.initial or b""


class _Login:
    """draft-murchison-sasl-login: two questions, whatever their words."""

    initial: bytes | None = None

    def __init__(self, username: bytes, password: bytes) -> None:
        self._answers = [username, password]

    async def respond(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.NOT_SMTP, detail="a third question in AUTH LOGIN")
        return self._answers.pop(0)


class _CramMd5:
    """RFC 2195."""

    initial: bytes | None = None

    def __init__(self, username: bytes, password: bytes) -> None:
        self._username, self._password = username, password

    async def respond(self, challenge: bytes) -> bytes:
        return self._username + b" " + hmac.new(self._password, challenge, "md5").hexdigest().encode()
