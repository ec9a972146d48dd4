"""Send systems 0 and 1: SMTP with the user and password of the connection (S), or without a login where there is none."""

import hmac
from collections.abc import Mapping

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> SmtpSession:
    """A session that is logged in; without a user name there is no AUTH. A login is tried once, with one mechanism.

    Raises TransportError; in Phase.AUTH with the server's refusal, or with AUTH_NEEDS_TLS (S7) or MECHANISM_MISSING.
    """
    login = _log_in if endpoint.username else None
    return await SmtpSession.open(endpoint, authenticate=login, timeouts=timeouts, pipelining=pipelining)


async def verify(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> SmtpSession:
    """An open session that has answered a command after the login; sends nothing. Raises as `open_session` does."""
    session = await open_session(endpoint, timeouts=timeouts)
    try:
        await session.noop()
    except BaseException:
        session.abort()
        raise
    return session


def may_send_login(*, encrypted: bool, loopback: bool, allow_plain_auth: bool) -> bool:
    """S7: a login goes over TLS, to this machine itself, or where an administrator has allowed it for the connection."""
    return encrypted or loopback or allow_plain_auth


async def _log_in(session: SmtpConnection) -> None:
    endpoint = session.endpoint
    encrypted = session.tls_object is not None
    if not may_send_login(encrypted=encrypted, loopback=session.is_loopback, allow_plain_auth=endpoint.allow_plain_auth):
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.AUTH_NEEDS_TLS)
    for name, mechanism in _MECHANISMS.items():
        if name in session.mechanisms:
            exchange = mechanism(endpoint.username.encode(), endpoint.secret.encode())
            await session.auth(name, exchange.respond, initial=exchange.initial)
            return
    raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING, detail=" ".join(session.mechanisms)[:200])


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


_MECHANISMS: Mapping[str, type[_Plain] | type[_Login] | type[_CramMd5]] = {"PLAIN": _Plain, "LOGIN": _Login, "CRAM-MD5": _CramMd5}
