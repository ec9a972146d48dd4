"""A send system as somebody may add it: a folder that takes mails as files. It is one file; `test_new_system` registers it."""

import asyncio
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.transports.registry import BeforeBody, Session

FOLDER = "FOLDER_OF_MAILS"  # environment variable


async def open_session(endpoint: Endpoint) -> Session:
    """Raises TransportError, UNREACHABLE where the folder cannot be written to."""
    folder = Path(os.environ[FOLDER])
    if not os.access(folder, os.W_OK):
        raise TransportError(phase=Phase.CONNECT, trouble=Trouble.UNREACHABLE, detail=str(folder))
    return FolderSession(folder)


class FolderSession:
    """Takes any number of mails; nothing stays open between them."""

    usable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.transcript: list[str] = []

    def begin_transcript(self) -> list[str]:
        self.transcript = []
        return self.transcript

    async def submit(
        self, envelope: Envelope, message: Sequence[bytes | Iterable[bytes]] | bytes, *, size: int, before_body: BeforeBody
    ) -> HandOver:
        """A recipient whose local part begins with "reject-" is refused, so that the folder refuses something."""
        replies = {address: _reply(address) for address in envelope.recipients}
        if not any(reply.positive for reply in replies.values()):
            return HandOver(recipients=replies)
        if not await before_body():
            return HandOver(recipients=replies, withdrawn=True)
        name = f"{uuid.uuid4()}.eml"
        await asyncio.to_thread((self._folder / name).write_bytes, _joined(message))
        self.transcript.append(f"C: {name}, {size} octets")
        return HandOver(recipients=replies, final=Reply(250, "2.0.0", name))

    async def close(self) -> None:
        """There is nothing to close."""


def _reply(address: str) -> Reply:
    return Reply(550, "5.1.1", "No such box") if address.startswith("reject-") else Reply(250, "2.1.5", "Ok")


def _joined(message: Sequence[bytes | Iterable[bytes]] | bytes) -> bytes:
    if isinstance(message, bytes):
        return message
    return b"".join(part if isinstance(part, bytes) else b"".join(part) for part in message)
