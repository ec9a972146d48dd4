"""Which transport carries which send system (S); a new one is a new file and a line here (S5)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Protocol

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, TransportError, Trouble
from mailjobs.transports import graph, smtp_oauth2, smtp_password

BeforeBody = Callable[[], Awaitable[bool]]


class Session(Protocol):
    """What every transport gives: see `SmtpSession`, whose promises hold for all of them."""

    @property
    def usable(self) -> bool: ...

    @property
    def transcript(self) -> list[str]: ...

    def begin_transcript(self) -> list[str]: ...

    async def submit(
        self,
        envelope: Envelope,
        message: Sequence[bytes | Iterable[bytes]] | bytes,
        *,
        size: int,
        before_body: BeforeBody,
    ) -> HandOver: ...

    async def close(self) -> None: ...


Opener = Callable[[Endpoint], Awaitable[Session]]


def _later(module: str) -> Opener:
    """The transport in this file, whose libraries are loaded with its first session and off the loop: they take a while."""

    async def open_session(endpoint: Endpoint) -> Session:
        transport = await asyncio.to_thread(import_module, f"mailjobs.transports.{module}")
        session: Session = await transport.open_session(endpoint)
        return session

    return open_session


TRANSPORTS: Mapping[int, Opener] = MappingProxyType(
    {
        0: smtp_password.open_session,
        1: smtp_password.open_session,
        2: _later("smtp_gssapi"),
        3: _later("smtp_gssapi"),
        4: _later("smtp_ntlm"),
        5: _later("smtp_ntlm"),
        6: _later("ews"),
        7: _later("ews"),
        8: smtp_oauth2.open_session,
        9: smtp_oauth2.open_session,
        10: graph.open_session,
        11: graph.open_session,
    }
)


async def open_session(endpoint: Endpoint) -> Session:
    """A session for the endpoint's send system. Raises TransportError, UNSUPPORTED where it has no transport."""
    opener = TRANSPORTS.get(endpoint.send_system)
    if opener is None:
        detail = f"send system {endpoint.send_system}"
        raise TransportError(phase=Phase.RESOLVE, trouble=Trouble.UNSUPPORTED, detail=detail)
    return await opener(endpoint)
