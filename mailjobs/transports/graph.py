"""Send systems 10 and 11: the finished mail handed to Microsoft Graph, whole or, where it is large, as a draft that is then sent.

Graph has no envelope: it sends to whom the mail's own fields name, all or none. 202 says that it was taken, not that it arrived.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Self
from urllib.parse import quote

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.core.web_mail import MOST_WHOLE, WebMail, web_mail
from mailjobs.transports.graph_draft import Draft
from mailjobs.transports.https import DEFAULT_TIMEOUTS, Answer, BeforeBody, Timeouts, Withdrawn, endpoint_of
from mailjobs.transports.web_reply import document_of, reply_of
from mailjobs.transports.web_session import LOST, SENT, WebSession

_NO_PERMISSION = re.compile(r"ErrorAccessDenied|Authorization_\w+")
_MIME = {"Content-Type": "text/plain"}


async def open_session(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> "GraphSession":
    """A session whose token Graph has taken; the endpoint's secret is an access token.

    Raises TransportError; in Phase.AUTH with Graph's refusal of the token.
    """
    return await GraphSession.open(endpoint, timeouts=timeouts)


async def verify(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> "GraphSession":
    """The same; nothing is sent."""
    return await open_session(endpoint, timeouts=timeouts)


class GraphSession(WebSession):
    """Takes mails one after the other; made by `open`."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        super().__init__(endpoint, timeouts)
        self._base = endpoint.url.rstrip("/")

    @classmethod
    async def open(cls, endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Self:
        """See `open_session`."""
        session = cls(endpoint_of(endpoint.url, endpoint), timeouts)
        return await session._opened(session._try_token())

    async def submit(
        self, envelope: Envelope, message: Sequence[bytes | Iterable[bytes]] | bytes, *, size: int, before_body: BeforeBody
    ) -> HandOver:
        """Hands one mail over; promises what `SmtpSession.submit` does.

        `before_body` is asked before the body of the request that sends; of a draft, before the request that sends it, which is
        when nothing can be called back any more. The reply stands at each recipient. Graph keeps a copy of all that it sends:
        where its answer is lost, a mail that is in Sent Items was sent.
        """
        mail = web_mail(message, envelope.recipients)
        try:
            if len(mail.octets) <= MOST_WHOLE:
                answer = await self._send_whole(envelope, mail, before_body)
            else:
                answer = await Draft(self._mailbox(envelope.sender), self._call, mail).send(before_body)
        except Withdrawn:
            await self.close()
            return HandOver(withdrawn=True)
        except TransportError as error:
            handover = HandOver(error=error) if error.reply is None else self._outcome(envelope, error.reply)
        except BaseException:
            await self.close()
            raise
        else:
            handover = self._judged(envelope, answer)
        if handover.error is None or handover.error.reply is not None:
            return handover
        if handover.error.phase is Phase.BODY and await self._was_sent(envelope.sender, mail.message_id):
            return _for_all(envelope, Reply(202, "", "HTTP found in Sent Items"))
        await self.close()
        return handover

    async def put_draft(self, sender: str, octets: bytes) -> str:
        """See `MailboxSession`."""
        mailbox = self._mailbox(sender)
        try:
            await Draft(mailbox, self._call, WebMail(octets)).make()
        except TransportError as error:
            if error.phase is Phase.MAIL and (error.reply is None or error.reply.code in LOST):
                raise TransportError(phase=Phase.BODY, trouble=error.trouble, detail=error.detail) from error
            raise
        return self.endpoint.username or ("" if self._is_one_mailbox else sender)

    async def find(self, message_id: str, sender: str, folder: str = SENT) -> bool:
        """See `MailboxSession`; needs the permission Mail.ReadWrite."""
        named = quote("internetMessageId eq '{}'".format(message_id.replace("'", "''")))
        url = f"{self._mailbox(sender)}/mailFolders/{folder}/messages?$filter={named}&$select=id&$top=1"
        answer = await self._call("GET", url, headers={})
        found = document_of(answer).get("value")
        if answer.status != 200 or not isinstance(found, list):
            reply = reply_of(answer, [self.endpoint.secret])
            raise TransportError(phase=Phase.MAIL, reply=reply if reply.code >= 400 else None, trouble=Trouble.BAD_REPLY)
        return bool(found)

    async def _send_whole(self, envelope: Envelope, mail: WebMail, before_body: BeforeBody) -> Answer:
        url = f"{self._mailbox(envelope.sender)}/sendMail"
        body = base64.b64encode(mail.octets)
        return await self._call("POST", url, headers=_MIME, body=body, before_body=before_body, last=True)

    async def _try_token(self) -> None:
        """Ask for something small that the token need not allow: only 401 says that it is none."""
        if not self._is_one_mailbox:
            return  # the sender of each mail names the mailbox
        answer = await self._call("GET", f"{self._mailbox('')}?$select=id", headers={}, phase=Phase.AUTH)
        if answer.status in {401, 429} or answer.status >= 500:
            raise TransportError(phase=Phase.AUTH, reply=reply_of(answer, [self.endpoint.secret]))

    def _mailbox(self, sender: str) -> str:
        """The mailbox that sends: the one named, else the one that has consented, else the sender's own."""
        user = self.endpoint.username or ("" if self._is_one_mailbox else sender)
        return f"{self._base}/users/{quote(user, safe='@')}" if user else f"{self._base}/me"

    async def _call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        before_body: BeforeBody | None = None,
        phase: Phase = Phase.MAIL,
        last: bool = False,
        bearer: bool = True,
    ) -> Answer:
        """One request in the transcript, with the token unless the address itself is the key."""
        path = url.removeprefix(self._base).partition("?")[0] if bearer else "<upload>"
        self._transcript.client(f"{method} {path}" + (f" <{len(body)} octets>" if body else ""))
        token = {"Authorization": f"Bearer {self.endpoint.secret}"} if bearer else {}
        answer = await self._https.request(
            method, url, headers={**headers, **token}, body=body, before_body=before_body, phase=phase, last=last
        )
        reply = reply_of(answer, [self.endpoint.secret])
        self._transcript.server(reply.code, reply.text)
        return answer

    def _judged(self, envelope: Envelope, answer: Answer) -> HandOver:
        """A definite answer decides; one of a gateway that lost the service's leaves it open."""
        reply = reply_of(answer, [self.endpoint.secret])
        said = reply.text.removeprefix("HTTP").strip()
        if answer.status in LOST or (answer.status == 500 and not said) or not 200 <= answer.status < 600:
            return HandOver(error=TransportError(phase=Phase.BODY, trouble=Trouble.BAD_REPLY, detail=str(reply)))
        return self._outcome(envelope, reply)

    def _outcome(self, envelope: Envelope, reply: Reply) -> HandOver:
        """A login without the permission gets the same answer for every mail, unless each sender has a mailbox of its own."""
        if reply.code == 403 and _NO_PERMISSION.search(reply.text) and self._is_one_mailbox:
            return HandOver(error=TransportError(phase=Phase.AUTH, reply=reply))
        return _for_all(envelope, reply)

    @property
    def _is_one_mailbox(self) -> bool:
        return bool(self.endpoint.username or self.endpoint.token is None or self.endpoint.token.consent)


def _for_all(envelope: Envelope, reply: Reply) -> HandOver:
    return HandOver(recipients=dict.fromkeys(envelope.recipients, reply), final=reply)
