"""What all log-ins over SMTP share: one mechanism that the server offers, tried once; no password without TLS (S7, RFC 4954)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession


class Exchange(Protocol):
    """One SASL exchange: `initial` goes with the AUTH command where there is one, `respond` answers each challenge."""

    initial: bytes | None

    async def respond(self, challenge: bytes) -> bytes: ...


Begin = Callable[[], Exchange]


async def log_in(session: SmtpConnection, exchanges: Mapping[str, Begin], *, guessable: bool) -> None:
    """The first of these mechanisms that the server offers, once; a refusal is final, whatever else the server offers.

    `guessable`: what goes over the wire is a password, or lets one be guessed. Raises TransportError in Phase.AUTH with the
    server's refusal, AUTH_NEEDS_TLS (S7) or MECHANISM_MISSING.
    """
    endpoint = session.endpoint
    encrypted = session.tls_object is not None
    allowed = may_send_login(encrypted=encrypted, loopback=session.is_loopback, allow_plain_auth=endpoint.allow_plain_auth)
    if guessable and not allowed:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.AUTH_NEEDS_TLS)
    for mechanism, begin in exchanges.items():
        if mechanism in session.mechanisms:
            exchange = begin()
            await session.auth(mechanism, exchange.respond, initial=exchange.initial)
            return
    raise TransportError(phase=Phase.AUTH, trouble=Trouble.MECHANISM_MISSING, detail=" ".join(session.mechanisms)[:200])


def may_send_login(*, encrypted: bool, loopback: bool, allow_plain_auth: bool) -> bool:
    """S7: a login goes over TLS, to this machine itself, or where an administrator has allowed it for the connection."""
    return encrypted or loopback or allow_plain_auth


async def verify(
    opener: Callable[..., Awaitable[SmtpSession]], endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> SmtpSession:
    """An open session that has answered a command after the login; sends nothing. Raises as the opener does."""
    session = await opener(endpoint, timeouts=timeouts)
    try:
        await session.noop()
    except BaseException:
        session.abort()
        raise
    return session
