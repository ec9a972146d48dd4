"""Letters for services that take a mail without an envelope."""

import uuid
from collections.abc import Sequence

from mailjobs.core.envelope import Envelope, HandOver
from mailjobs.core.mime import Base64Lines
from mailjobs.transports.registry import Session


class WebLetter:
    """A mail of its own as ready wire bytes, and whether it may go on when it is asked."""

    def __init__(self, fields: Sequence[str], files: Sequence[bytes], *, to: str, sender: str, go_on: bool) -> None:
        """`fields` of the header, without Message-ID, MIME-Version and Content-Type; `to` gets it where nobody else is named."""
        self.message_id = f"<{uuid.uuid4()}@test.local>"
        about_itself = (f"Message-ID: {self.message_id}", "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="=_b"')
        headers = "".join(f"{line}\r\n" for line in [*fields, *about_itself])
        self.parts: list[bytes | Base64Lines] = [
            headers.encode(),
            b"\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n..ein Punkt\r\nGr\xc3\xbc\xc3\x9fe\r\n",
        ]
        for number, data in enumerate(files):
            about = f'Content-Disposition: attachment; filename="{number}.pdf"\r\nContent-Transfer-Encoding: base64'
            part = f"--=_b\r\nContent-Type: application/pdf\r\n{about}\r\n\r\n"
            self.parts += [part.encode(), Base64Lines(data)]
        self.parts.append(b"--=_b--\r\n")
        self.to, self.sender, self.go_on, self.asked = to, sender, go_on, 0

    async def before_body(self) -> bool:
        self.asked += 1
        return self.go_on

    async def over(self, session: Session, *recipients: str) -> HandOver:
        return await session.submit(
            Envelope(self.sender, recipients or (self.to,)), self.parts, size=1, before_body=self.before_body
        )
