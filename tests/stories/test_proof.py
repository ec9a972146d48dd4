"""The proof of dispatch (J10): what it says is what the server got, and it never claims more than the hand-over."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils.translation import override
from fpdf import FPDF

from mailjobs import contents, delivery, lost, queue
from mailjobs.answering import take_as_sent
from mailjobs.core.message import parse_message
from mailjobs.models import FrozenMail, JobRecipient, MailJob
from mailjobs.proof import proof_of
from mailjobs.proof_pdf import UNKNOWN, pdf_of
from mailjobs.proof_seal import is_genuine, sealed
from mailjobs.submission import requeue, submit
from mailsettings.changes import Book, own_values, save_parameters
from mailsettings.models import Tenant
from tests.cast import move_in, user
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)

QUEUED = "250 2.0.0 Ok: queued as 4XYZ"
FILE = b"%PDF-1.7 invoice"


def send(login: str = "anna", **more: Any) -> MailJob:
    """One mail with an attachment and a line that begins with a dot, handed over."""
    attachment = {
        "filename": "Rechnung – Müller.pdf",
        "content_type": "application/pdf",
        "content_base64": "JVBERi0xLjcgaW52b2ljZQ==",
    }
    message = {
        "to": ["klient@kunde.example"],
        "subject": "Rechnung",
        "text": "Guten Tag,\n.\n..hier.\n",
        "attachments": [attachment],
    }
    result = submit(user(login), parse_message({"print_model": "invoices", **message, **more}))
    assert result.id is not None, result
    delivery.run(until_empty=True)
    return MailJob.objects.get(pk=result.id)


def proof(job: MailJob, login: str = "anna", recipient: int | None = None) -> dict[str, Any]:
    with override("en"):
        document = proof_of(job, user(login), recipient)
    assert document is not None
    return document


def redirect_to(*addresses: str) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), "redirect_enabled": True, "redirect_addresses": list(addresses)})


def codes(document: dict[str, Any]) -> list[str]:
    return [each["code"] for each in document["reservations"]]


def stuffed(content: bytes) -> bytes:
    """RFC 5321 4.5.2, written down a second time."""
    return b"".join(b"." + line if line.startswith(b".") else line for line in content.splitlines(keepends=True))


def test_j10_the_hashes_are_those_of_what_the_server_got(smtp_server: CountingServer) -> None:
    smtp_server.reply = QUEUED
    move_in(smtp_server)
    job = send()
    got = smtp_server.received[0].content
    assert b"\r\n..hier." in got
    document = proof(job)
    assert document["mail"]["eml_sha256"] == sha256(got).hexdigest()
    assert document["mail"]["eml_octets"] == len(got)
    assert document["mail"]["wire_sha256"] == sha256(stuffed(got)).hexdigest() != document["mail"]["eml_sha256"]
    assert document["mail"]["wire_octets"] == len(stuffed(got))
    (attached,) = document["attachments"]
    assert (attached["filename"], attached["size"]) == ("Rechnung – Müller.pdf", len(FILE))
    assert attached["sha256"] == sha256(FILE).hexdigest()


def test_j10_it_says_who_when_where_and_that_it_is_no_delivery(smtp_server: CountingServer) -> None:
    smtp_server.reply = QUEUED
    move_in(smtp_server)
    job = send(document_key="invoice-1")
    document = proof(job)
    assert document["proves"] == "handed_over"
    assert document["reservations"] == []
    assert document["server"] == f"localhost:{smtp_server.port}"
    assert document["reply"] == QUEUED
    assert document["send_system"]["number"] == 1
    assert (document["tenant"]["id"], document["user"]["id"]) == ("huber", "anna")
    assert document["message_id"] == smtp_server.received[0].message_id
    assert document["document_key"] == "invoice-1"
    when = document["handed_over_at"]
    assert when["utc"].endswith("Z")
    assert when["local"][-6:] in {"+01:00", "+02:00"}
    (recipient,) = document["recipients"]
    assert (recipient["address"], recipient["state"], recipient["proven"]) == ("klient@kunde.example", "accepted", True)
    assert recipient["handed_over_at"] == when
    assert "does not prove that it was delivered" in document["statement"]
    assert QUEUED in document["statement"]


def test_j10_a_redirected_mail_is_no_proof_for_the_client(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    redirect_to("test@kanzlei-huber.example")
    document = proof(send())
    got = smtp_server.received[0].content
    assert document["proves"] == "nothing"
    assert codes(document) == ["redirected"]
    assert document["redirected_to"] == ["test@kanzlei-huber.example"]
    assert "test@kanzlei-huber.example" in document["reservations"][0]["text"]
    assert "no proof" in document["statement"]
    assert document["recipients"][0]["proven"] is False
    assert document["mail"]["eml_sha256"] == sha256(got).hexdigest()  # the headers that redirect wrote
    assert document["mail"]["wire_sha256"] == sha256(stuffed(got)).hexdigest() != document["mail"]["accepted_sha256"]


def test_j10_of_a_redirected_mail_without_its_content_the_hash_on_the_wire_is_not_known(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    redirect_to("test@kanzlei-huber.example")
    job = send()
    contents.erase([job.pk])
    assert proof(job)["mail"]["wire_sha256"] is None


def test_j10_the_proof_outlives_the_content(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    job = send()
    before = proof(job)
    contents.erase([job.pk])
    assert not FrozenMail.objects.exists()
    after = proof(job)
    assert after["mail"]["wire_sha256"] == before["mail"]["wire_sha256"]
    assert after["mail"]["eml_sha256"] is None
    assert after["attachments"] == before["attachments"]
    assert after["proves"] == "handed_over"


def test_j7_only_who_was_taken_is_proven(smtp_server: CountingServer) -> None:
    smtp_server.refuse = {"weg@kunde.example": "550 5.1.1 <weg@kunde.example>: User unknown"}
    move_in(smtp_server)
    job = send(to=["klient@kunde.example", "weg@kunde.example"])
    assert job.state == "partly_sent"
    document = proof(job)
    assert document["proves"] == "partly"
    assert codes(document) == ["partly"]
    assert {each["address"]: each["proven"] for each in document["recipients"]} == {
        "klient@kunde.example": True,
        "weg@kunde.example": False,
    }


def test_j10_a_proof_for_one_recipient_names_no_other(smtp_server: CountingServer) -> None:
    smtp_server.refuse = {"weg@kunde.example": "550 5.1.1 <weg@kunde.example>: User unknown"}
    move_in(smtp_server)
    job = send(to=["klient@kunde.example", "weg@kunde.example"], bcc=["geheim@kunde.example"])
    mine = JobRecipient.objects.get(address="klient@kunde.example")
    document = proof(job, recipient=mine.pk)
    assert document["proves"] == "handed_over"
    text = json.dumps(document)
    assert "klient@kunde.example" in text
    assert "weg@kunde.example" not in text
    assert "geheim@kunde.example" not in text
    gone = JobRecipient.objects.get(address="weg@kunde.example")
    assert proof_of(job, user("anna"), gone.pk) is None
    assert proof_of(job, user("anna"), 10**12) is None


def test_j10_what_a_policy_took_as_sent_is_no_proof(smtp_server: CountingServer) -> None:
    """Delivery contract 2, 9: nobody has seen the server's answer."""
    move_in(smtp_server)
    result = submit(
        user("anna"),
        parse_message({"print_model": "invoices", "to": ["klient@kunde.example"], "variables": {"number": "1", "name": "x"}}),
    )
    (job,) = queue.claim_these("w/1", [result.id or 0])
    held = MailJob.objects.filter(pk=job.pk)
    job.unknown_policy = "assume_sent"
    lost.leave_unknown(held, job, "The worker was lost while the mail was on the wire")
    job.refresh_from_db()
    assert job.state == "sent"
    document = proof(job)
    assert document["proves"] == "nothing"
    assert document["taken_as_sent"] is True
    assert codes(document) == ["taken_as_sent"]
    assert document["recipients"][0]["handed_over_at"] is document["handed_over_at"] is None
    assert "as the account says" in document["reservations"][0]["text"]


def test_j10_what_a_person_took_as_sent_is_no_proof(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    job = send()
    MailJob.objects.filter(pk=job.pk).update(state="unknown", last_error="timeout")
    job.recipients.update(state="unknown", reply="", accepted_epoch=None)
    assert take_as_sent(user("anna"), [job.pk]) == 1
    job.refresh_from_db()
    document = proof(job)
    assert (document["proves"], codes(document)) == ("nothing", ["taken_as_sent"])
    assert document["handed_over_at"] is None
    assert "taken as sent by anna" in document["reservations"][0]["text"]


def test_j7_each_recipient_has_the_time_of_the_try_that_took_it(smtp_server: CountingServer) -> None:
    smtp_server.refuse = {"spaeter@kunde.example": "550 5.2.1 Mailbox disabled"}
    smtp_server.reply = "250 2.0.0 Ok: queued as FIRST"
    move_in(smtp_server)
    job = send(to=["klient@kunde.example", "spaeter@kunde.example"])
    smtp_server.refuse, smtp_server.reply = {}, "250 2.0.0 Ok: queued as SECOND"
    requeue(user("anna"), [job.pk])
    delivery.run(until_empty=True)
    job.refresh_from_db()
    tries = list(job.tries.all())
    first, second = proof(job)["recipients"]
    assert (first["reply"], second["reply"]) == ("250 2.0.0 Ok: queued as FIRST", "250 2.0.0 Ok: queued as SECOND")
    assert first["handed_over_at"]["utc"][:19] == tries[0].ended_at.isoformat()[:19]
    assert second["handed_over_at"]["utc"][:19] == tries[1].ended_at.isoformat()[:19]
    assert first["time_exact"] is second["time_exact"] is True
    job.recipients.update(accepted_epoch=None)  # as before it was recorded
    document = proof(job)
    assert codes(document) == ["time_not_exact"]


def test_a_possible_duplicate_is_named(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    job = send()
    MailJob.objects.filter(pk=job.pk).update(possible_duplicate=True)
    job.refresh_from_db()
    assert codes(proof(job)) == ["possible_duplicate"]


@pytest.mark.parametrize("state", ["new", "failed", "unknown", "held", "cancelled", "deferred", "sending"])
def test_what_was_not_handed_over_has_no_proof(smtp_server: CountingServer, state: str) -> None:
    move_in(smtp_server)
    job = send()
    job.state = state
    assert proof_of(job, user("anna")) is None


def test_t4_t7_the_proof_tells_nobody_more_than_the_page(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    job = send("mia")
    for_customer, for_firm = proof(job, "mia"), proof(job, "anna")
    assert str(smtp_server.port) not in json.dumps(for_customer)
    assert "localhost" not in json.dumps(for_customer)
    assert for_customer["server"] == "mail server of the firm"
    assert for_customer["attachments"][0]["filename"] == "Rechnung – Müller.pdf"
    assert for_firm["server"] == f"localhost:{smtp_server.port}"
    assert (for_firm["attachments"], for_firm["attachments_withheld"]) == ([], 1)


@pytest.mark.parametrize(("login", "status"), [("anna", 200), ("mia", 200), ("max", 200), ("bernd", 404), ("eva", 404)])
def test_t4_who_may_see_the_job_gets_its_proof(smtp_server: CountingServer, login: str, status: int) -> None:
    move_in(smtp_server)
    job = send("mia")
    client = Client()
    client.force_login(user(login))
    assert client.get(f"/jobs/{job.pk}/proof.json").status_code == status
    answer = client.get(f"/jobs/{job.pk}/proof.pdf")
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="proof-of-dispatch-{job.pk}.pdf"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert is_genuine(client.get(f"/jobs/{job.pk}/proof.json").json()) is True
        page = client.get(f"/jobs/{job.pk}/").content.decode()
        assert f"/jobs/{job.pk}/proof.pdf" in page
    for typed in ("x", "0", "-1", "9" * 30, "1;"):
        assert client.get(f"/jobs/{job.pk}/proof.json", {"recipient": typed}).status_code == 404


def test_the_page_offers_no_proof_before_the_hand_over(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    job = send()
    MailJob.objects.filter(pk=job.pk).update(state="failed")
    client = Client()
    client.force_login(user("anna"))
    assert "proof.pdf" not in client.get(f"/jobs/{job.pk}/").content.decode()
    assert client.get(f"/jobs/{job.pk}/proof.pdf").status_code == 404


def _texts(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> tuple[bytes, str]:
    written: list[str] = []
    write = FPDF.multi_cell

    def remembering(self: FPDF, w: float, h: float | None = None, text: str = "", *args: Any, **more: Any) -> Any:
        written.append(text)
        return write(self, w, h, text, *args, **more)

    monkeypatch.setattr(FPDF, "multi_cell", remembering)
    return pdf_of(document), "\n".join(written)


def test_the_pdf_says_the_same_and_has_the_json_inside(smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    move_in(smtp_server)
    document = proof(send(subject="Größe & Maß: Žižkov, Ελλάδα, Київ, 5 €"))
    with override("en"):
        pdf, text = _texts(monkeypatch, document)
    assert pdf.startswith(b"%PDF-")
    assert "Größe & Maß: Žižkov, Ελλάδα, Київ, 5 €" in text
    assert UNKNOWN not in text
    for said in (document["statement"], document["mail"]["wire_sha256"], document["message_id"], document["reply"]):
        assert said in text
    assert document["attachments"][0]["sha256"] in text
    embedded = [json.loads(part) for part in re.findall(rb"stream\n(\{.*?\})\s*endstream", pdf, re.DOTALL)]
    assert [each["mail"] for each in embedded] == [document["mail"]]


@pytest.mark.parametrize("subject", ["請求書 2026", "חשבונית", "فاتورة", "a" * 900, "\u202eevil"])
def test_the_pdf_says_where_it_cannot_show_something(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    move_in(smtp_server)
    job = send()
    job.subject = subject
    with override("en"):
        _pdf, text = _texts(monkeypatch, proof(job))
    assert (UNKNOWN in text) is not subject.isascii()
    assert ("cannot show" in text) is not subject.isascii()


def test_the_seal_notices_every_change(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    document = proof(send())
    assert is_genuine(document) is True
    assert is_genuine(json.loads(json.dumps(document))) is True
    for key in set(document) - {"seal"}:
        assert is_genuine({**document, key: "changed"}) is False, key
    assert is_genuine({**document, "more": 1}) is False
    assert is_genuine({key: value for key, value in document.items() if key != "seal"}) is None
    assert is_genuine({**document, "seal": {**document["seal"], "value": "ä"}}) is False


def test_an_older_key_still_verifies_as_long_as_it_is_kept() -> None:
    old, new = b"o" * 32, b"n" * 32
    with override_settings(FIELD_KEYS=[old]):
        document = sealed({"job": 1})
    with override_settings(FIELD_KEYS=[new, old]):
        assert is_genuine(document) is True
        assert sealed({"job": 1})["seal"] != document["seal"]
    with override_settings(FIELD_KEYS=[new]):
        assert is_genuine(document) is None


def test_the_commands_print_and_check_the_proof(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    move_in(smtp_server)
    job = send()
    call_command("mailjobs", "proof", str(job.pk), "--pdf", str(tmp_path / "proof.pdf"))
    printed = capsys.readouterr().out
    document = json.loads(printed)
    assert printed.isascii()
    assert document["job"] == job.pk
    assert (tmp_path / "proof.pdf").read_bytes().startswith(b"%PDF-")
    file = tmp_path / "proof.json"
    file.write_text(printed)
    call_command("mailjobs", "verify", str(file))
    assert json.loads(capsys.readouterr().out) == {"genuine": True}
    file.write_text(json.dumps({**document, "subject": "another"}))
    with pytest.raises(CommandError):
        call_command("mailjobs", "verify", str(file))
    for text in ("[]", "no json", "{}"):
        file.write_text(text)
        with pytest.raises(CommandError):
            call_command("mailjobs", "verify", str(file))
    for pk in (job.pk + 1, 10**30):
        with pytest.raises(CommandError):
            call_command("mailjobs", "proof", str(pk))
    with pytest.raises(CommandError):
        call_command("mailjobs", "proof", str(job.pk), "--pdf", str(tmp_path / "nowhere" / "proof.pdf"))
