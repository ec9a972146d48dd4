"""Send systems 6 and 7: the finished mail handed to Exchange Web Services, as it was frozen.

EWS has no envelope: it sends to whom the mail names, and to those who are named beside it, all or none. A success says that it
was taken, not that it arrived.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from mailjobs.core.envelope import Endpoint, Envelope, Exchange, HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.core.providers import EXCHANGE_ONLINE, preset_of
from mailjobs.core.web_mail import ShownMail, draft_mail, shown_mail
from mailjobs.transports import ews_soap
from mailjobs.transports.ews_discovery import discover
from mailjobs.transports.ews_soap import Request, Said, Writer
from mailjobs.transports.http_login import HttpLogin
from mailjobs.transports.https import DEFAULT_TIMEOUTS, Answer, BeforeBody, Timeouts, Withdrawn, endpoint_of
from mailjobs.transports.transcript import hide, printable
from mailjobs.transports.web_reply import LONGEST_TEXT, reply_of
from mailjobs.transports.web_session import LOST, SENT, WebSession

_NOT_DONE_IN_TIME = "ErrorTimeoutExpired"
_NO_MAILBOX = re.compile(r"Error(AccessDenied|Impersonat\w+|NonExistentMailbox)")


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> "EwsSession":
    """A session whose login Exchange has taken.

    Raises TransportError; in Phase.AUTH with the refusal of the login, HTTP 403 where EWS itself is switched off.
    """
    return await EwsSession.open(endpoint, timeouts=timeouts)


async def verify(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> "EwsSession":
    """The same; nothing is sent."""
    return await open_session(endpoint, timeouts=timeouts)


class EwsSession(WebSession):
    """Takes mails one after the other; made by `open`."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        super().__init__(endpoint, timeouts)
        self.exchange = endpoint.exchange or Exchange()
        kind = "oauth2" if endpoint.token is not None else self.exchange.auth
        self._login = HttpLogin(self._https, endpoint, kind)

    @classmethod
    async def open(cls, endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Self:
        """See `open_session`."""
        if endpoint.token is None and not endpoint.username:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.MAILBOX_MISSING)
        url = endpoint.url or await discover(endpoint, timeouts=timeouts)
        session = cls(endpoint_of(url, endpoint), timeouts)
        return await session._opened(session._try_login())

    async def submit(
        self, envelope: Envelope, message: Sequence[bytes | Iterable[bytes]] | bytes, *, size: int, before_body: BeforeBody
    ) -> HandOver:
        """Hands one mail over; promises what `SmtpSession.submit` does. The reply stands at each recipient.

        `before_body` is asked after the head of the one request that sends and before its body. Where its answer is lost and a
        copy was asked for, Sent Items are looked into: a mail that is there was sent.
        """
        mail, request = await asyncio.to_thread(self._written, envelope, message)
        try:
            handover = self._judged(envelope, *await self._call(request, before_body=before_body, last=True))
        except Withdrawn:
            await self.close()
            return HandOver(withdrawn=True)
        except TransportError as error:
            handover = HandOver(error=error)
        except BaseException:
            await self.close()
            raise
        if handover.error is None:
            return handover
        looked_for = mail.message_id if self.exchange.sent_copy else ""
        if handover.error.phase is Phase.BODY and looked_for and await self._was_sent(envelope.sender, looked_for):
            return _for_all(envelope, Reply(200, "", "HTTP EWS NoError: found in Sent Items"))
        await self.close()
        return handover

    async def find(self, message_id: str, sender: str, folder: str = SENT) -> bool:
        """See `MailboxSession`. Where Sent Items hold none nothing is known, unless copies were asked for."""
        return _well(*await self._call(self._writer(sender).find(message_id, folder))).found > 0

    async def put_draft(self, sender: str, octets: bytes) -> str:
        """See `MailboxSession`."""
        request = await asyncio.to_thread(lambda: self._writer(sender).save(draft_mail(octets)))
        said, reply = await self._call(request, last=True)
        if reply.code in LOST or (said is not None and said.code == _NOT_DONE_IN_TIME):
            raise TransportError(phase=Phase.BODY, trouble=Trouble.BAD_REPLY, detail=str(reply))
        _well(said, reply)
        return (self.endpoint.username or sender) if self._for_all else ""

    async def _try_login(self) -> None:
        """Ask for something small; where each mail's sender names the mailbox, the first mail is the first to ask."""
        if self._each_own:
            return
        said, reply = await self._call(self._writer("").look(), phase=Phase.AUTH)
        if reply.code >= 400:
            raise TransportError(phase=Phase.AUTH, reply=reply)
        if said is None:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.BAD_REPLY, detail=str(reply))

    def _written(self, envelope: Envelope, message: Sequence[bytes | Iterable[bytes]] | bytes) -> tuple[ShownMail, Request]:
        """Takes a while for a large mail."""
        mail = shown_mail(message, envelope.recipients)
        return mail, self._writer(envelope.sender).send(mail, copy=self.exchange.sent_copy)

    def _writer(self, sender: str) -> Writer:
        """A program that logs in for all names the mailbox: the one of the settings, else the sender's own."""
        return Writer(self.exchange.version, (self.endpoint.username or sender) if self._for_all else "")

    @property
    def _for_all(self) -> bool:
        return self.endpoint.token is not None and not self.endpoint.token.consent

    @property
    def _each_own(self) -> bool:
        return self._for_all and not self.endpoint.username

    async def _call(
        self, request: Request, *, before_body: BeforeBody | None = None, phase: Phase = Phase.MAIL, last: bool = False
    ) -> tuple[Said | None, Reply]:
        """One request in the transcript, and what is said to it: by EWS, and as a reply."""
        login = await self._login.headers(phase)
        self._transcript.client(f"POST {urlsplit(self.endpoint.url).path} {request.name} <{len(request.octets)} octets>")
        headers = {**ews_soap.CONTENT_TYPE, **login}
        answer = await self._https.request(
            "POST", self.endpoint.url, headers=headers, body=request.octets, before_body=before_body, phase=phase, last=last
        )
        said = await asyncio.to_thread(ews_soap.read, request.operation, answer)
        reply = self._reply(said, answer)
        self._transcript.server(reply.code, reply.text)
        if answer.status == 401:
            self._login.check_offered(answer)
            if self._login.left_behind:
                raise TransportError(phase=phase, trouble=Trouble.CLOSED_BY_SERVER)
        return said, reply

    def _reply(self, said: Said | None, answer: Answer) -> Reply:
        """`500 HTTP EWS ErrorSendAsDenied: ...`; EWS refuses with success of HTTP or as its error 500, which is one to us.

        A mailbox that is refused is the login's fault, unless each sender has one of its own.
        """
        if said is None:
            plain = reply_of(answer, self._login.secrets)
            return replace(plain, text=self._switched_off()) if answer.status == 403 else plain
        text = ": ".join(part for part in (said.code, said.text) if part)
        shown = hide(" ".join(printable(f"HTTP EWS {text}").split()), self._login.secrets)
        refused = 403 if self._each_own and _NO_MAILBOX.fullmatch(said.code) else 500
        return Reply(200 if said.well else refused, "", shown[:LONGEST_TEXT], wait=said.wait)

    def _switched_off(self) -> str:
        """What HTTP 403 means: neither user nor password is wrong."""
        online = preset_of(self.endpoint.host, self.endpoint.send_system) is EXCHANGE_ONLINE
        return "HTTP EWS is switched off in Exchange Online" if online else "HTTP EWS is switched off for this login"

    def _judged(self, envelope: Envelope, said: Said | None, reply: Reply) -> HandOver:
        """A definite answer decides; one of a gateway that lost the service's, or junk, leaves it open."""
        if said is not None and said.code != _NOT_DONE_IN_TIME:
            return _for_all(envelope, reply)
        if reply.code == 403:
            return HandOver(error=TransportError(phase=Phase.AUTH, reply=reply))
        if 300 <= reply.code < 400:  # sent on to elsewhere, which is not followed: nothing was taken
            return HandOver(error=TransportError(phase=Phase.MAIL, trouble=Trouble.BAD_REPLY, detail=str(reply)))
        if reply.code in LOST or reply.code == 500 or not 400 <= reply.code < 600:
            return HandOver(error=TransportError(phase=Phase.BODY, trouble=Trouble.BAD_REPLY, detail=str(reply)))
        return _for_all(envelope, reply)


def _well(said: Said | None, reply: Reply) -> Said:
    """What was said, where it went well. Raises TransportError."""
    if said is None or not said.well:
        raise TransportError(phase=Phase.MAIL, reply=reply if reply.code >= 400 else None, trouble=Trouble.BAD_REPLY)
    return said


def _for_all(envelope: Envelope, reply: Reply) -> HandOver:
    return HandOver(recipients=dict.fromkeys(envelope.recipients, reply), final=reply)
