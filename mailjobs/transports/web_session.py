"""What sessions with a web service share: one connection, its transcript, and how long they may be used."""

import time
from collections.abc import Awaitable
from typing import Self

from mailjobs.core.envelope import Endpoint, Phase, TransportError
from mailjobs.transports import watching
from mailjobs.transports.https import Https, Timeouts
from mailjobs.transports.transcript import Transcript

LOST = frozenset({502, 504})  # a gateway lost the answer: nobody knows what became of the request
_RENEW_SECONDS = 60.0  # before a token ends it opens no further mail


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

    async def close(self) -> None:
        """Never raises for the network."""
        self._open = False
        await self._https.close()
