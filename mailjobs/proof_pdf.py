"""The proof of dispatch as a PDF to hand on: the same facts as its JSON, which lies in it as a file (J10)."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from mailjobs.models import JobRecipient, RecipientStateChoices, StateChoices
from mailjobs.proof import HANDED_OVER, NOTHING, PARTLY, spoken

FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
UNKNOWN = "\N{WHITE SQUARE}"  # in place of a character that the font does not have, or that it would show in the wrong order
_LABEL, _LINE = 46, 4.6  # mm
_INK, _QUIET, _ALERT = (20, 20, 20), (90, 90, 90), (150, 20, 20)
_RIGHT_TO_LEFT = {"R", "AL"}


def pdf_of(document: Mapping[str, Any]) -> bytes:
    """The document of `proof.proof_of` for people, in the language in force."""
    return bytes(_Sheet(document).written())


class _Sheet(FPDF):
    """A4, one font."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(format="A4")
        self.document, self.lacking = document, False
        self.add_font("portal", fname=FONT)
        self.glyphs = self.fonts["portal"].cmap  # type: ignore[union-attr]
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(auto=True, margin=18)
        self.set_title(_("Proof of dispatch"))
        self.set_lang((get_language() or "en")[:2])
        self.set_creation_date(datetime.now(UTC))
        self.alias_nb_pages()

    def footer(self) -> None:
        self.set_y(-13)
        self._ink(7, _QUIET)
        words = {"job": self.document["job"], "page": self.page_no(), "seal": self.document["seal"]["value"][:16]}
        self.cell(0, 4, self._text(_("Mail job %(job)s · seal %(seal)s… · page %(page)s of {nb}") % words), align="C")

    def written(self) -> bytearray:
        self.add_page()
        self._head()
        self._facts(_("The mail"), self._mail())
        self._recipients()
        self._facts(_("Checksums"), self._hashes())
        self._attachments()
        self._attempts()
        self._facts(_("Seal"), self._seal())
        if self.lacking:
            note = _("%(sign)s stands for a character that this document cannot show. The JSON file inside it has them all.")
            self._paragraph(note % {"sign": UNKNOWN}, 8, _QUIET)
        octets = json.dumps(self.document, indent=1).encode("ascii")
        self.embed_file(basename=f"proof-{self.document['job']}.json", bytes=octets, mime_type="application/json")
        return self.output()

    def _head(self) -> None:
        self._paragraph(_("Proof of dispatch"), 17)
        self._paragraph(str(self.document["tenant"]["name"]), 10, _QUIET)
        self.ln(2)
        titles = {
            HANDED_OVER: _("Handed over to the mail server"),
            PARTLY: _("Handed over to the mail server for some recipients"),
            NOTHING: _("No proof of dispatch"),
        }
        proves = str(self.document["proves"])
        self._paragraph(titles[proves], 12, _INK if proves == HANDED_OVER else _ALERT)
        self._paragraph(str(self.document["statement"]), 9.5)
        for reservation in self.document["reservations"]:
            self._paragraph(f"• {reservation['text']}", 9.5, _ALERT)

    def _mail(self) -> Iterator[tuple[str, str]]:
        document = self.document
        sender, user = document["sender"], document["user"]
        yield _("Sender"), f"{sender['name']} <{sender['address']}>" if sender["name"] else sender["address"]
        yield _("Subject"), document["subject"] or _("(no subject)")
        yield _("Message-ID"), document["message_id"]
        if document["document_key"]:
            yield _("Document"), document["document_key"]
        yield _("Acting user"), f"{user['name']} ({user['id']})"
        yield _("Status"), str(StateChoices(document["state"]).label)
        yield _("Accepted by the portal"), spoken(document["queued_at"])
        yield _("Handed over"), spoken(document["handed_over_at"])
        yield _("Mail server"), document["server"] or "–"
        if document["send_system"]:
            yield _("Send system"), document["send_system"]["name"]
        yield _("Server's last answer"), document["reply"] or "–"
        if document["redirected_to"] is not None:
            yield _("Redirected to"), ", ".join(document["redirected_to"]) or "–"

    def _recipients(self) -> None:
        self._heading(_("Recipients"))
        for recipient in self.document["recipients"]:
            kind = "" if recipient["kind"] == JobRecipient.Kind.TO else f" ({JobRecipient.Kind(recipient['kind']).label})"
            self._paragraph(f"{recipient['address']}{kind}", 9.5)
            proven = _("proven") if recipient["proven"] else _("not proven")
            said = [f"{RecipientStateChoices(recipient['state']).label}, {proven}"]
            if recipient["handed_over_at"]:
                said.append(spoken(recipient["handed_over_at"]))
            if recipient["reply"]:
                said.append(recipient["reply"])
            if recipient["redirected_to"] is not None:
                said.append(_("redirected to %(addresses)s") % {"addresses": ", ".join(recipient["redirected_to"])})
            self._paragraph(" · ".join(said), 8.5, _QUIET if recipient["proven"] else _ALERT)

    def _hashes(self) -> Iterator[tuple[str, str]]:
        mail, not_known = self.document["mail"], _("no longer known: the content was erased")
        yield _("On the wire"), mail["wire_sha256"] or not_known
        yield "", mail["wire_how"]
        if mail["accepted_sha256"] != mail["wire_sha256"]:
            yield _("As accepted by the portal"), mail["accepted_sha256"]
        yield _("As .eml"), mail["eml_sha256"] or not_known
        yield "", mail["eml_how"]

    def _attachments(self) -> None:
        document = self.document
        rows = [(f"{file['filename']}", f"{file['size']} B · SHA-256 {file['sha256']}") for file in document["attachments"]]
        if not rows and not document["attachments_withheld"]:
            return
        self._heading(_("Attachments"))
        for name, text in rows:
            self._paragraph(name, 9.5)
            self._paragraph(text, 8, _QUIET)
        if document["attachments_withheld"]:
            self._paragraph(_("The content belongs to another tenant and is not shown here."), 9)

    def _attempts(self) -> None:
        self._heading(_("Attempts"))
        for attempt in self.document["attempts"]:
            words = [f"{attempt['number']}.", spoken(attempt["ended_at"]), str(StateChoices(attempt["outcome"]).label)]
            words += [text for text in (attempt["server"], attempt["reply"]) if text]
            self._paragraph(" · ".join(words), 8.5)
        if not self.document["attempts"]:
            self._paragraph("–", 8.5)

    def _seal(self) -> Iterator[tuple[str, str]]:
        seal = self.document["seal"]
        yield seal["algorithm"], seal["value"]
        made = localtime(datetime.fromisoformat(self.document["made_at"]["utc"]))
        words = {
            "time": f"{date_format(made, 'SHORT_DATE_FORMAT')} {made:%H:%M:%S}",
            "name": self.document["installation"] or "–",
        }
        yield (
            "",
            _("Made on %(time)s by the installation %(name)s, which can check with the JSON file that nothing was changed.")
            % words,
        )

    def _facts(self, heading: str, rows: Iterator[tuple[str, str]]) -> None:
        self._heading(heading)
        for label, text in rows:
            self._ink(8.5, _QUIET)
            top, page = self.get_y(), self.page_no()
            self.multi_cell(_LABEL, _LINE, self._text(label), align="L", new_x=XPos.RIGHT, new_y=YPos.TOP)
            bottom = self.get_y() + _LINE if label else top
            self._ink(8 if not label else 9, _QUIET if not label else _INK)
            self.set_xy(self.l_margin + _LABEL, top)
            self.multi_cell(0, _LINE, self._text(text), align="L")
            self.set_xy(self.l_margin, max(self.get_y(), bottom) if self.page_no() == page else self.get_y())

    def _heading(self, text: str) -> None:
        self.ln(3)
        self._paragraph(text, 11.5)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(1)

    def _paragraph(self, text: str, size: float, ink: tuple[int, int, int] = _INK) -> None:
        self._ink(size, ink)
        self.multi_cell(0, size * 0.5, self._text(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _ink(self, size: float, colour: tuple[int, int, int]) -> None:
        self.set_font("portal", size=size)
        self.set_text_color(*colour)

    def _text(self, text: object) -> str:
        """What the font can show; `lacking` remembers that something could not be."""
        shown = "".join(self._character(each) for each in unicodedata.normalize("NFC", str(text)))
        self.lacking |= UNKNOWN in shown
        return shown

    def _character(self, character: str) -> str:
        if character.isspace():
            return " "
        known = ord(character) in self.glyphs and unicodedata.bidirectional(character) not in _RIGHT_TO_LEFT
        return character if known and character.isprintable() else UNKNOWN
