"""J6: a mailbox at Dovecot is read for what came back: tied to mail and recipient, told, nothing in the mailbox changed."""

import imaplib
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from mailjobs import bounces, delivery
from mailjobs.core.bounces import Fate, Recipient, Report
from mailjobs.models import BounceBox, InternalMessage, JobRecipient, MailJob, RecipientReport, StateChoices
from mailjobs.submission import submit
from mailjobs.transports import imap_reading
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import EmailAccount, Tenant
from tests.cast import connection_to, invoice, move_in, user
from tests.peers.fixtures import Peers
from tests.services import CountingServer

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

BERND, PASSWORD = "bernd@test.local", "Bernd-pw-2"


@pytest.fixture
def inbox(dovecot: Peers) -> Iterator[imaplib.IMAP4_SSL]:
    """Bernd's mailbox, empty, as a second program sees it."""
    trust = ssl.create_default_context(cadata=dovecot.ca_certificate)
    with imaplib.IMAP4_SSL("localhost", dovecot.ports["imaps"], ssl_context=trust) as client:
        client.login(BERND, PASSWORD)
        client.create("Ruecklaeufer")
        for folder in ("Ruecklaeufer", "INBOX"):
            _kind, count = client.select(folder)
            if count != [b"0"]:
                client.store("1:*", "+FLAGS", r"\Deleted")
                client.expunge()
        yield client


def live(server: CountingServer, imap: Peers, **changes: Any) -> Tenant:
    """The firm sends over the server, and has a mailbox for bounces."""
    parameters = {
        **connection_to(server),
        "read_bounces": True,
        "imap_server": "localhost",
        "imap_port": imap.ports["imaps"],
        "imap_user": BERND,
        "ca_certificate": f"{server.ca_pem}\n{imap.ca_certificate}",
        **changes,
    }
    move_in(server, parameters=parameters)
    firm = Tenant.objects.get(slug="huber")
    save_secret(Book("test"), firm, "imap_password", PASSWORD)
    return firm


def notification(job: MailJob, action: str = "failed", status: str = "5.1.1", *, to: str = "", message_id: str = "") -> bytes:
    """A report as Postfix writes it."""
    to, message_id = to or job.recipients.get().address, message_id or job.message_id
    return (
        "From: MAILER-DAEMON@mx.kunde.example\nTo: office@kanzlei-huber.example\nSubject: Undelivered Mail Returned to Sender\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nI'm sorry to have to inform you.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.kunde.example\n\n"
        f"Final-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; 550 {status} <{to}>: User unknown\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {message_id}\nSubject: x\n\n--b--\n"
    ).replace("\n", "\r\n").encode()  # fmt: skip


def sent(number: int = 1, **more: Any) -> MailJob:
    submit(user("bernd"), invoice(number, **more))
    delivery.run(until_empty=True)
    job = MailJob.objects.latest("pk")
    assert job.state == StateChoices.SENT
    return job


def arrive(inbox: imaplib.IMAP4_SSL, *letters: bytes, folder: str = "INBOX") -> None:
    """Letters come, and it is time to look."""
    for letter in letters:
        assert inbox.append(folder, None, None, letter)[0] == "OK"
    BounceBox.objects.update(due_at=timezone.now())
    delivery.run(until_empty=True)


def fates() -> list[tuple[str, str, str]]:
    return list(RecipientReport.objects.order_by("at").values_list("recipient__address", "fate", "status"))


def told() -> list[tuple[str, list[str], str]]:
    rows = InternalMessage.objects.filter(kind=InternalMessage.Kind.BOUNCED)
    return list(rows.values_list("user__login", "recipients", "error"))


def test_j6_a_bounce_becomes_a_fact_of_the_recipient_and_the_user_is_told(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    live(smtp_server, dovecot)
    job = sent()
    arrive(inbox, notification(job))
    assert fates() == [("klient1@kunde.example", "failed", "5.1.1")]
    assert told() == [("bernd", ["klient1@kunde.example"], "550 5.1.1 <klient1@kunde.example>: User unknown")]
    box = BounceBox.objects.get()
    assert (box.error, box.lease_until, box.last_uid > 0) == ("", None, True)


def test_j6_nothing_in_the_mailbox_is_changed(smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL) -> None:
    live(smtp_server, dovecot)
    job = sent()
    ordinary = b"From: max@kunde.example\r\nTo: office@kanzlei-huber.example\r\nSubject: Danke\r\n\r\nGuten Tag\r\n"
    arrive(inbox, ordinary, notification(job))
    inbox.select("INBOX", readonly=True)
    _kind, flags = inbox.fetch("1:*", "(FLAGS)")
    assert len(flags) == 2
    assert not any(b"Seen" in each or b"Deleted" in each for each in flags if isinstance(each, bytes))
    assert len(fates()) == 1


def test_j6_what_was_read_is_not_read_again_and_a_folder_numbered_anew_tells_nobody_twice(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(smtp_server, dovecot)
    job = sent()
    arrive(inbox, notification(job))
    fetched: list[int] = []
    octets = imap_reading._octets

    def counted(mailbox: Any, uid: int) -> bytes:
        fetched.append(uid)
        return octets(mailbox, uid)

    monkeypatch.setattr(imap_reading, "_octets", counted)
    arrive(inbox)
    assert fetched == []
    BounceBox.objects.update(uid_validity=1, last_uid=4_000_000_000)
    arrive(inbox)
    assert len(fetched) == 1
    assert len(told()) == 1


def test_j6_many_letters_are_read_in_several_visits(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(smtp_server, dovecot)
    monkeypatch.setattr(imap_reading, "AT_ONCE", 2)
    jobs = [sent(number) for number in range(5)]
    arrive(inbox, *(notification(job) for job in jobs))
    assert [address for address, *_rest in fates()] == [f"klient{number}@kunde.example" for number in range(5)]


def test_j6_a_huge_letter_is_read_as_far_as_it_says_something(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    live(smtp_server, dovecot)
    returned = notification(sent()).removesuffix(b"\r\n--b--\r\n") + b"\r\n" + b"x" * 70 * 1024 * 1024
    arrive(inbox, returned[: 2 * 1024 * 1024])
    assert len(fates()) == 1


@pytest.mark.parametrize(
    "forged",
    [{"message_id": "<other@kanzlei-huber.example>"}, {"to": "anna@kanzlei-huber.example"}],
    ids=["another Message-ID", "no recipient of the mail"],
)
def test_j6_forged_ones_are_ignored(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL, forged: dict[str, str]
) -> None:
    live(smtp_server, dovecot)
    arrive(inbox, notification(sent(), **forged))
    assert (fates(), told()) == ([], [])


def test_j6_a_mail_of_another_tenant_is_not_touched(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    live(smtp_server, dovecot)
    job = sent()
    MailJob.objects.update(tenant=Tenant.objects.get(slug="muster"))
    arrive(inbox, notification(job))
    assert (fates(), told()) == ([], [])


def test_j6_a_mail_that_was_not_sent_cannot_come_back(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    live(smtp_server, dovecot)
    job = sent()
    JobRecipient.objects.update(state="refused")
    arrive(inbox, notification(job))
    assert fates() == []


def test_j6_delayed_then_delivered_and_a_late_delay_changes_nothing(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    live(smtp_server, dovecot)
    job = sent()
    arrive(inbox, notification(job, "delayed", "4.4.1"))
    assert fates() == [("klient1@kunde.example", "delayed", "4.4.1")]
    arrive(inbox, notification(job, "delivered", "2.0.0"), notification(job, "delayed", "4.4.1"))
    assert fates() == [("klient1@kunde.example", "delivered", "2.0.0")]
    assert told() == []


def test_j6_an_account_and_a_folder_of_its_own(smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL) -> None:
    firm = live(smtp_server, dovecot, read_bounces=None)
    values = {"read_bounces": True, "bounce_folder": "Ruecklaeufer", "imap_user": BERND}
    account = EmailAccount.objects.create(tenant=firm, slug="b", sender_address="b@kanzlei-huber.example", values=values)
    save_secret(Book("test"), account, "imap_password", PASSWORD)
    job = sent()
    arrive(inbox, notification(job), folder="Ruecklaeufer")
    assert len(fates()) == 1
    assert BounceBox.objects.get().account == account


def test_j6_where_nobody_asked_for_it_no_mailbox_is_read(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    firm = live(smtp_server, dovecot)
    job = sent()
    save_parameters(Book("test"), firm, own_values(firm) | {"read_bounces": False})
    arrive(inbox, notification(job))
    assert (fates(), BounceBox.objects.count()) == ([], 0)


@pytest.mark.parametrize(("folder", "password"), [("Nirgends", PASSWORD), ("INBOX", "wrong")])
def test_j6_the_administrators_are_told_once_that_it_cannot_be_read(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL, folder: str, password: str
) -> None:
    firm = live(smtp_server, dovecot, bounce_folder=folder)
    save_secret(Book("test"), firm, "imap_password", password)
    arrive(inbox)
    arrive(inbox)
    assert BounceBox.objects.get().tries >= 2
    letters = InternalMessage.objects.values_list("user__login", "error_code")
    assert list(letters) == [("anna", "bounce_box")]


def test_j6_an_address_that_bounced_for_good_is_known_until_mail_arrives_there(
    smtp_server: CountingServer, dovecot: Peers, inbox: imaplib.IMAP4_SSL
) -> None:
    firm = live(smtp_server, dovecot)
    arrive(inbox, notification(sent()))
    assert list(bounces.dead_addresses(firm, ["Klient1@kunde.example", "x@kunde.example"])) == ["Klient1@kunde.example"]
    assert bounces.dead_addresses(Tenant.objects.get(slug="muster"), ["klient1@kunde.example"]) == {}
    again = sent()
    bounces.take(firm, [Report((Recipient("klient1@kunde.example", Fate.DELIVERED),), again.message_id)])
    assert bounces.dead_addresses(firm, ["klient1@kunde.example"]) == {}
