"""What sessions with a web service share: one connection, its transcript, its end, the look for a mail whose reply was lost."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, Protocol, Self, runtime_checkable

from mailjobs.core.envelope import Endpoint, Phase, TransportError
from mailjobs.transports import watching
from mailjobs.transports.https import Https, Timeouts
from mailjobs.transports.transcript import Transcript

LOST = frozenset({502, 504})  # a gateway lost the answer: nobody knows what became of the request
SENT, DRAFTS = "sentitems", "drafts"  # folders, whatever the mailbox's language calls them
LOOK_AFTER: Final = (0.0, 2.0, 5.0)  # seconds before each look for a mail whose reply was lost
_MAY_NOT_LOOK = frozenset({401, 403})
_RENEW_SECONDS = 60.0  # before a token ends it opens no further mail


@runtime_checkable
class MailboxSession(Protocol):
    """A session that keeps mails in the mailbox which sends them; `sender` of the mail, whose mailbox a program uses."""

    async def find(self, message_id: str, sender: str, folder: str = SENT) -> bool:
        """Whether the folder holds a mail with this Message-ID (with its brackets). Raises TransportError."""
        ...

    async def put_draft(self, sender: str, octets: bytes) -> str:
        """Put a mail into Drafts of the mailbox that would send it, and no more; which that is, empty where the login is its own.

        `octets` as its recipient would store it, Bcc with it. Raises TransportError: in Phase.BODY nobody knows whether it is
        there.
        """
        ...

    async def close(self) -> None: ...


class WebSession:
    """The part of `registry.Session` that is not the mail itself."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self.endpoint = endpoint
        self._https = Https(endpoint, timeouts=timeouts)
        self._transcript = Transcript()
        self._open = True

    async def _opened(self, login: Awaitable[None]) -> Self:
        """This session once it has logged in; what goes wrong closes it, and a refusal carries the transcript so far."""
        try:
            await login
        except TransportError as error:
            await self.close()
            error.transcript = tuple(self.transcript)
            raise
        except BaseException:
            await self.close()
            raise
        watching.reached(Phase.AUTH, self.transcript)
        return self

    @property
    def usable(self) -> bool:
        return self._open and time.monotonic() < self.endpoint.secret_until - _RENEW_SECONDS

    @property
    def transcript(self) -> list[str]:
        return self._transcript.lines

    def begin_transcript(self) -> list[str]:
        """See `Transcript.begin`."""
        return self._transcript.begin()

    async def find(self, message_id: str, sender: str, folder: str = SENT) -> bool:
        """See `MailboxSession`."""
        raise NotImplementedError

    async def _was_sent(self, sender: str, message_id: str) -> bool:
        """Whether Sent Items hold a mail whose reply was lost; False where they do not, or nobody can tell."""
        for seconds in LOOK_AFTER:
            await asyncio.sleep(seconds)
            try:
                if await self.find(message_id, sender):
                    return True
            except TransportError as error:
                if error.reply is not None and error.reply.code in _MAY_NOT_LOOK:
                    return False
        return False

    async def close(self) -> None:
        """Never raises for the network."""
        self._open = False
        await self._https.close()
