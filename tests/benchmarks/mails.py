"""The mails that everybody sends: `pdf` is 10 KB of text with a PDF of 60 KB, another one for each mail; `small` is 2 KB."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

SENDER = "office@kanzlei-huber.example"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_PARAGRAPH = (
    "Sehr geehrte Damen und Herren,\r\n\r\nim Anhang finden Sie unsere Rechnung. Wir ersuchen um Überweisung innerhalb von\r\n"
    "vierzehn Tagen auf das angegebene Konto. Für Fragen stehen wir gerne zur Verfügung.\r\n\r\n"
)


@dataclass(frozen=True)
class Load:
    """A kind of mail."""

    name: str
    text_octets: int
    file_octets: int = 0
    shared: bool = False  # whether all mails carry the same file

    @property
    def text(self) -> str:
        repeated = _PARAGRAPH * (self.text_octets // len(_PARAGRAPH) + 1)
        return repeated[: self.text_octets].rstrip("\r") + "\r\n"

    def file(self, number: int) -> bytes:
        """The PDF of a mail, which nothing compresses: PDFs are compressed themselves."""
        return b"%PDF-1.7\n" + random.Random(0 if self.shared else number).randbytes(self.file_octets - 9)


PDF = Load("pdf", 10 * 1024, 60 * 1024)
SAME_PDF = Load("same_pdf", 10 * 1024, 60 * 1024, shared=True)
LARGE = Load("large", 10 * 1024, 25 * 1000 * 1000)
SMALL = Load("small", 1_500)
LOADS = {load.name: load for load in (PDF, SAME_PDF, LARGE, SMALL)}


def recipient(number: int) -> str:
    return f"klient{number}@kunde.example"


def subject(number: int) -> str:
    return f"Rechnung {number:06}"


def filename(number: int) -> str:
    return f"rechnung-{number:06}.pdf"


def wire(load: Load, number: int) -> bytes:
    """A mail as ready-made bytes, for those who have no queue."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = SENDER, recipient(number), subject(number)
    message["Date"], message["Message-ID"] = MOMENT, f"<{number}@kanzlei-huber.example>"
    message.set_content(load.text, cte="quoted-printable")
    if load.file_octets:
        message.add_attachment(load.file(number), maintype="application", subtype="pdf", filename=filename(number))
    return message.as_bytes()
