"""Send systems 4 and 5: SMTP with AUTH NTLM, NTLMv2 (S1, MS-SMTPNTLM, MS-NLMP).

It logs in with user, password and domain of the connection; without a user with the first line of the file that the environment
names as NTLM_USER_FILE (`DOMAIN:user:password`), which is all that Linux has of an identity of the process for NTLM.
"""

import asyncio
import logging
import os
import struct
from functools import partial

import spnego
from spnego.exceptions import SpnegoError

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import network, smtp_login
from mailjobs.transports.smtp_connection import DEFAULT_TIMEOUTS, SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession

logging.getLogger("spnego").setLevel(logging.INFO)  # below it writes the tokens down, of which a password can be guessed (Z8)

_SIGNATURE = b"NTLMSSP\0"


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, pipelining: bool = True) -> SmtpSession:
    """A session that is logged in; never with another identity than the one meant: a user without a right password is refused.

    Raises TransportError; in Phase.AUTH as `smtp_login.log_in` does, or NO_IDENTITY without a user and NTLM_USER_FILE.
    """
    return await SmtpSession.open(endpoint, authenticate=_log_in, timeouts=timeouts, pipelining=pipelining)


verify = partial(smtp_login.verify, open_session)


async def _log_in(session: SmtpConnection) -> None:
    context = await asyncio.to_thread(_context, session.endpoint)  # it may read a file
    await smtp_login.log_in(session, {"NTLM": partial(_Ntlm, context)}, guessable=True)


def _context(endpoint: Endpoint) -> spnego.ContextProxy:
    """Before AUTH is said: without an identity the server counts no refused login."""
    credentials = spnego.Password(_account(endpoint), endpoint.secret) if endpoint.username else None
    if credentials is None and not os.environ.get("NTLM_USER_FILE"):
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.NO_IDENTITY, detail="NTLM_USER_FILE")
    try:
        host, own = network.server_name(endpoint.host), spnego.NegotiateOptions.use_ntlm
        return spnego.client(credentials, hostname=host, service="smtp", protocol="ntlm", options=own)
    except (SpnegoError, OSError, ValueError) as error:  # their words could quote the file
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.NO_IDENTITY, detail="NTLM_USER_FILE cannot be read") from error


def _account(endpoint: Endpoint) -> str:
    """`DOMAIN\\user`; a user who is written with a domain already keeps it."""
    user = endpoint.username
    return f"{endpoint.domain}\\{user}" if endpoint.domain and "\\" not in user and "@" not in user else user


class _Ntlm:
    """Negotiate, challenge, authenticate."""

    def __init__(self, context: spnego.ContextProxy) -> None:
        self._context = context
        self.initial: bytes | None = context.step()

    async def respond(self, challenge: bytes) -> bytes:
        """A server that ignores the initial response asks for it, with words or without (MS-SMTPNTLM)."""
        if not challenge.startswith(_SIGNATURE):
            return self.initial or b""
        try:
            return self._context.step(challenge) or b""
        except (SpnegoError, ValueError, LookupError, struct.error) as error:
            detail = "a malformed challenge in AUTH NTLM"
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.NOT_SMTP, detail=detail) from error
