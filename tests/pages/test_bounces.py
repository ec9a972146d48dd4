"""What the pages say of mails that came back, were delayed or delivered, and of addresses that are dead (J6)."""

import pytest

from mailjobs import bounces, notices
from mailjobs.core.bounces import Fate, Recipient, Report
from mailjobs.models import JobRecipient, MailJob, StateChoices
from mailjobs.sent_items import NO_MAILBOX
from mailjobs.submission import submit
from mailsettings.models import Tenant
from tests.cast import invoice, user
from tests.pages.conftest import LogIn

pytestmark = pytest.mark.django_db(transaction=True)

DEAD = "550 5.1.1 <klient1@kunde.example>: User unknown"


def handed_over(number: int = 1) -> MailJob:
    submit(user("bernd"), invoice(number))
    job = MailJob.objects.latest("pk")
    MailJob.objects.filter(pk=job.pk).update(state="sent")
    JobRecipient.objects.filter(job=job).update(state="accepted")
    return job


def report(job: MailJob, fate: Fate, status: str = "", reason: str = "") -> None:
    said = Recipient(job.recipients.get().address, fate, status, reason)
    bounces.take(job.tenant, [Report((said,), job.message_id)])


def page(log_in: LogIn, job: MailJob, reader: str = "bernd") -> str:
    return log_in(reader).get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.parametrize(
    ("fate", "label", "said"),
    [
        (Fate.DELIVERED, "Delivered", "Reported as delivered by the recipient&#x27;s server"),
        (Fate.RELAYED, "Passed on", "Passed on to a server that reports nothing more"),
        (Fate.DELAYED, "Delayed", "Reported as delayed"),
        (Fate.FAILED, "Came back", "The mail came back ("),
    ],
)
def test_the_page_says_what_was_reported_of_a_recipient(log_in: LogIn, fate: Fate, label: str, said: str) -> None:
    job = handed_over()
    assert not {"Delivered", "Came back"} & {word.strip() for word in page(log_in, job).replace("<", ">").split(">")}
    report(job, fate, "5.1.1", DEAD)
    shown = page(log_in, job)
    assert said in shown
    assert f"{label}</span>" in shown
    assert ("it came back from klient1@kunde.example" in shown) == (fate is Fate.FAILED)


@pytest.mark.parametrize(
    ("status", "plain"),
    [
        ("5.1.1", "The address does not exist there."),
        ("5.2.2", "The mailbox is full."),
        ("4.2.2", "The mailbox is full."),
        ("5.7.1", "refuses the mail by a filter or a rule."),
    ],
)
def test_the_reason_is_said_in_plain_words_and_as_the_server_wrote_it(log_in: LogIn, status: str, plain: str) -> None:
    job = handed_over()
    report(job, Fate.FAILED, status, f"552 {status} as written")
    shown = page(log_in, job)
    assert plain in shown
    assert "as written" in shown


@pytest.mark.parametrize(("fate", "said"), [(Fate.FAILED, "It came back."), (Fate.DELAYED, "It was reported as delayed.")])
def test_the_log_says_it_too(log_in: LogIn, fate: Fate, said: str) -> None:
    job = handed_over()
    notices.record([notices.Settled(job, StateChoices.SENT)])
    assert said not in log_in("bernd").get("/log/").content.decode()
    report(job, fate, "5.1.1", DEAD)
    assert said in log_in("bernd").get("/log/").content.decode()


def test_the_inbox_tells_of_it_and_another_user_is_not_told(log_in: LogIn) -> None:
    job = handed_over()
    report(job, Fate.FAILED, "5.1.1", DEAD)
    report(job, Fate.FAILED, "5.1.1", DEAD)
    shown = log_in("bernd").get("/inbox/").content.decode()
    assert "A mail came back after the mail server had taken it over" in shown
    assert shown.count(f"/jobs/{job.pk}/") == 1
    assert "came back" not in log_in("anna").get("/inbox/").content.decode()


def test_the_inbox_says_why_a_mailbox_cannot_be_read(log_in: LogIn) -> None:
    notices.tell_of_bounce_box(Tenant.objects.get(slug="huber"), NO_MAILBOX)
    shown = log_in("anna").get("/inbox/").content.decode()
    assert "A mailbox for bounces cannot be read" in shown
    assert "The settings name no mailbox that can be reached by IMAP." in shown


def test_before_the_next_mail_to_a_dead_address_the_page_warns_and_blocks_nothing(log_in: LogIn) -> None:
    report(handed_over(), Fate.FAILED, "5.1.1", DEAD)
    submit(user("bernd"), invoice(1))
    following = MailJob.objects.latest("pk")
    assert following.state == "new"
    assert "Mail to this address came back (" in page(log_in, following)
    submit(user("bernd"), invoice(2))
    assert "Mail to this address came back (" not in page(log_in, MailJob.objects.latest("pk"))


def test_what_may_work_later_makes_no_address_dead(log_in: LogIn) -> None:
    report(handed_over(), Fate.FAILED, "4.4.7", "given up")
    submit(user("bernd"), invoice(1))
    assert "Mail to this address came back (" not in page(log_in, MailJob.objects.latest("pk"))
