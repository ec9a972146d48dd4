"""The demo: tenants to look at, and a print run of invoices with PDFs made on the spot."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from fpdf import FPDF

from diagnostics import sink
from mailjobs.core.message import File, Message
from mailjobs.submission import Result, submit_many
from mailsettings.configuration import import_document, load
from mailsettings.core.addresses import parse_recipient
from mailsettings.demo import PASSWORD
from mailsettings.models import User

DATA = Path(__file__).parent / "demo_data"
RUN_USER, RUN_MODEL = "anna.huber", "invoices"


def load_demo() -> None:
    """Make the demo tenants, whose mail goes to the local test mail server; its folder is settings.SMTP_SINK_DIR."""
    folder = Path(settings.SMTP_SINK_DIR)
    sink.prepare(folder)
    document = load((DATA / "configuration.yaml").read_text(encoding="utf-8"))
    parameters = document["firms"][0]["parameters"]
    parameters["smtp_port"] = settings.SMTP_SINK_PORT
    parameters["ca_certificate"] = (folder / "tls" / "ca.pem").read_text()
    import_document(document, actor="demo", environment={"DEMO_PASSWORD": PASSWORD, "DEMO_SMTP_PASSWORD": sink.PASSWORD})


def submit_run(name: str) -> list[Result]:
    """Hand the print run of 25 invoices in, each with its PDF, as `name`; twice the same name is refused by its keys."""
    user = User.objects.select_related("tenant__firm").get(login=RUN_USER)
    return submit_many(user, _invoices(name), run=name)


def _invoices(run: str) -> Iterator[Message]:
    with (DATA / "invoices.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            yield Message(
                to=(parse_recipient(row["to"]),),
                cc=(parse_recipient(row["cc"]),) if row["cc"] else (),
                print_model=RUN_MODEL,
                variables=row,
                idempotency_key=f"{run}/{row['number']}",
                document_key=f"invoice {row['number']}",
                attachments=(File(f"Honorarnote-{row['number']}.pdf", "application/pdf", invoice_pdf(row)),),
            )


def invoice_pdf(row: dict[str, str]) -> bytes:
    """A one-page invoice; the same row gives the same octets."""
    pdf = FPDF()
    pdf.set_creation_date(datetime(2026, 11, 23, tzinfo=UTC))
    pdf.set_title(f"Honorarnote {row['number']}")
    pdf.add_page()
    pdf.set_font("Helvetica", size=11)
    for line in ("Kanzlei Huber, Musterstraße 1, 4400 Musterstadt", " ", row["company"], row["name"], " "):
        pdf.cell(text=line, new_x="LMARGIN", new_y="NEXT", h=6)
    pdf.set_font("Helvetica", style="B", size=16)
    pdf.cell(text=f"Honorarnote {row['number']}", new_x="LMARGIN", new_y="NEXT", h=12)
    pdf.set_font("Helvetica", size=11)
    with pdf.table(col_widths=(70, 30), text_align=("LEFT", "RIGHT")) as table:
        for name, value in (
            ("Leistung", "Betrag"),
            ("Laufende Buchhaltung", f"EUR {row['amount']}"),
            ("Gesamt", f"EUR {row['amount']}"),
        ):
            table.row((name, value))
    pdf.ln(8)
    pdf.cell(text=f"Rechnungsdatum {row['date']}, zahlbar bis {row['due']}", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())
