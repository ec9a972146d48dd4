"""X3: copies in the Sent folder over IMAP, against Dovecot: once, after the hand-over, and no failure of theirs fails a mail."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailjobs import delivery, sent_items, sent_queue
from mailjobs.models import FrozenMail, InternalMessage, MailJob, MailLogEntry, SentErrand
from mailjobs.submission import submit, submit_many
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import EmailAccount, Tenant
from tests.cast import connection_to, invoice, move_in, user
from tests.peers.fixtures import Peers
from tests.services import CountingServer, free_port

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

BERND = "bernd@test.local"
State = SentErrand.State


@pytest.fixture
def imap(dovecot: Peers) -> Peers:
    """Dovecot with Bernd's Sent folder empty."""
    for file in (dovecot.state / "mail" / BERND / ".Sent").glob("*/*"):
        if file.parent.name in {"cur", "new"}:
            file.unlink()
    return dovecot


def live(server: CountingServer, imap: Peers, *, own: dict[str, Any] | None = None, **changes: Any) -> None:
    """Bernd sends over the firm's server, and has a mailbox of his own."""
    firm = {
        **connection_to(server),
        "sent_copy": True,
        "imap_server": "localhost",
        "imap_port": imap.ports["imaps"],
        "ca_certificate": f"{server.ca_pem}\n{imap.ca_certificate}",
        **changes,
    }
    move_in(server, parameters=firm)
    save_parameters(Book("test"), user("bernd"), {"sender_address": BERND, "imap_user": BERND, **(own or {})})
    save_secret(Book("test"), user("bernd"), "imap_password", "Bernd-pw-2")


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def sent(imap: Peers) -> list[EmailMessage]:
    parser = BytesParser(EmailMessage, policy=policy.default)
    files = [file for place in ("new", "cur") for file in (imap.state / "mail" / BERND / ".Sent" / place).glob("*")]
    return [parser.parsebytes(file.read_bytes()) for file in files]


def states() -> list[tuple[str, str]]:
    return list(SentErrand.objects.order_by("pk").values_list("state", "error"))


def test_x3_each_mail_that_was_handed_over_lies_in_the_sent_folder_once(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap)
    submit_many(user("bernd"), [invoice(number, bcc=["blind@kunde.example"]) for number in range(6)])
    assert deliver()["sent"] == 6
    assert {mail["Message-ID"] for mail in sent(imap)} == set(MailJob.objects.values_list("message_id", flat=True))
    assert len(sent(imap)) == 6
    assert {(mail["From"], mail["Bcc"], mail["X-Unsent"]) for mail in sent(imap)} == {(BERND, "blind@kunde.example", None)}
    assert not any("blind@" in mail.content.decode() for mail in smtp_server.received)
    assert states() == [(State.DONE, "")] * 6
    files = list((imap.state / "mail" / BERND / ".Sent").glob("[nc]*/*"))
    assert all("S" in file.name.rpartition(",")[2] for file in files), "nobody need read it"


def test_x3_direct_mail_is_not_delayed_by_its_copy(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap, send_system=0)
    assert submit(user("bernd"), invoice()).status == "sent"
    assert sent(imap) == []
    deliver()
    assert len(sent(imap)) == 1


def test_x3_where_nobody_asked_for_it_nothing_is_copied_and_nothing_is_asked_of_the_database(
    smtp_server: CountingServer, imap: Peers
) -> None:
    live(smtp_server, imap, sent_copy=None)
    submit(user("bernd"), invoice())
    with CaptureQueriesContext(connection) as queries:
        deliver()
    assert (SentErrand.objects.count(), sent(imap)) == (0, [])
    assert not [query for query in queries if "senterrand" in query["sql"] and not query["sql"].startswith(("SELECT", "UPDATE"))]


def test_x3_a_user_or_an_account_decides_for_its_own_mails(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap, own={"sent_copy": False})
    submit(user("bernd"), invoice(1))
    deliver()
    assert SentErrand.objects.count() == 0
    firm = Tenant.objects.get(slug="huber")
    EmailAccount.objects.create(tenant=firm, slug="b", sender_address=BERND, user=user("bernd"), values={"sent_copy": True})
    submit(user("bernd"), invoice(2))
    deliver()
    assert SentErrand.objects.count() == 1


def test_a_copy_that_the_provider_keeps_or_an_earlier_try_put_there_is_no_second_one(
    smtp_server: CountingServer, imap: Peers
) -> None:
    live(smtp_server, imap)
    submit(user("bernd"), invoice())
    deliver()
    SentErrand.objects.update(state=State.UNDER_WAY, lease_until="2020-01-01T00:00:00Z")
    sent_queue.reap()
    deliver()
    assert (len(sent(imap)), SentErrand.objects.get().tries, states()) == (1, 2, [(State.DONE, "")])


def test_a_mail_that_goes_out_again_to_those_who_were_refused_is_copied_once(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap)
    submit(user("bernd"), invoice())
    job = MailJob.objects.get()
    sent_queue.want_copies([(job.pk, False)])
    sent_queue.want_copies([(job.pk, False)])
    deliver()
    assert (SentErrand.objects.count(), len(sent(imap))) == (1, 1)


FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    ("wrong password", {"imap_password": "Falsches-Passwort-9"}, State.FAILED, "password_refused"),
    ("no mailbox", {"imap_user": None, "smtp_user": None}, State.FAILED, sent_items.NO_MAILBOX),
    ("nobody there", {"imap_port": 0}, State.WANTED, "refused"),
]


@pytest.mark.parametrize(("changes", "state", "error"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_x3_a_copy_that_fails_leaves_the_mail_sent_and_tells_nobody(
    smtp_server: CountingServer, imap: Peers, changes: dict[str, Any], state: str, error: str
) -> None:
    live(smtp_server, imap)
    if "imap_password" in changes:
        save_secret(Book("test"), user("bernd"), "imap_password", changes["imap_password"])
    elif "imap_port" in changes:
        save_parameters(
            Book("test"), user("bernd"), own_values(user("bernd")) | {"imap_server": "localhost", "imap_port": free_port()}
        )
        save_secret(Book("test"), user("bernd"), "imap_password", "Bernd-pw-2")
    else:
        save_parameters(Book("test"), user("bernd"), own_values(user("bernd")) | changes)
    submit(user("bernd"), invoice())
    assert deliver()["sent"] == 1
    job, errand = MailJob.objects.get(), SentErrand.objects.get()
    assert (job.state, job.last_error, InternalMessage.objects.count()) == ("sent", "", 0)
    assert (errand.state, errand.error.partition(":")[0]) == (state, error)
    assert MailLogEntry.objects.get().outcome == "handed_over"
    assert "Falsches" not in errand.error


def test_j8_a_mailbox_that_refuses_the_login_is_tried_once(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap)
    save_secret(Book("test"), user("bernd"), "imap_password", "Falsches-Passwort-9")
    submit_many(user("bernd"), [invoice(number) for number in range(4)])
    log = imap.state / "log" / "dovecot.log"
    before = log.read_text(errors="replace").count("imap-login: ")
    assert deliver()["sent"] == 4
    assert log.read_text(errors="replace").count("imap-login: ") - before == 1
    assert sorted(states())[0][1].startswith("password_refused")


def test_u1_a_redirected_mail_is_copied_as_it_went(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap, redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"])
    submit(user("bernd"), invoice(bcc=["blind@kunde.example"]))
    deliver()
    [mail] = sent(imap)
    assert (mail["To"], mail["Bcc"]) == ("test@kanzlei-huber.example", None)
    assert "klient1@kunde.example" in mail["X-Postausgang-Original-Recipients"]


def test_j4_what_is_not_to_be_kept_is_kept_for_the_copy_alone(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap, log_background_sends=False)
    submit(user("bernd"), invoice())
    deliver()
    assert (len(sent(imap)), FrozenMail.objects.count(), states()) == (1, 0, [(State.DONE, "")])


def test_u5_a_copied_database_puts_nothing_into_mailboxes(
    smtp_server: CountingServer, imap: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(smtp_server, imap, send_system=0)
    submit(user("bernd"), invoice())
    monkeypatch.setattr(sent_queue, "copied_from", lambda: "production")
    assert (sent_queue.anything_due(), sent_queue.claim()) == (False, None)


def test_t7_a_com_customers_mail_is_not_copied_into_the_firms_mailbox(smtp_server: CountingServer, imap: Peers) -> None:
    live(smtp_server, imap, imap_user=BERND, imap_password="Bernd-pw-2")
    submit(user("mia"), invoice())
    deliver()
    assert (states(), sent(imap)) == ([(State.FAILED, sent_items.NO_MAILBOX)], [])
