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
from mailjobs.transports.web_reply import reply_of
from mailjobs.transports.web_session import LOST, WebSession

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
        when nothing can be called back any more. The reply stands at each recipient.
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
            if error.reply is None:
                await self.close()
                return HandOver(error=error)
            return self._outcome(envelope, error.reply)
        except BaseException:
            await self.close()
            raise
        return self._judged(envelope, answer)

    async def put_draft(self, sender: str, octets: bytes) -> str:
        """Put a mail as a draft into the mailbox that would send it, and no more; the mailbox, empty for the one that consented.

        `octets` as its recipient would store it, Bcc with it. Raises TransportError: without a reply nobody knows whether it is
        there.
        """
        mailbox = self._mailbox(sender)
        await Draft(mailbox, self._call, WebMail(octets)).make()
        return self.endpoint.username or ("" if self._is_one_mailbox else sender)

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
        return HandOver(recipients=dict.fromkeys(envelope.recipients, reply), final=reply)

    @property
    def _is_one_mailbox(self) -> bool:
        return bool(self.endpoint.username or self.endpoint.token is None or self.endpoint.token.consent)
