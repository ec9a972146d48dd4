"""The page of a mail that waits for the mail client: put it into the mailbox, say where it lies or what to do; T7, X1."""

from typing import Any

import pytest
from django.test import Client

from mailjobs import delivery
from mailjobs.core.message import parse_message
from mailjobs.models import Incident, JobRecipient, MailDraft, MailJob
from mailjobs.submission import submit
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import AuditEvent, PrintModel, Tenant, User
from tests.pages.conftest import LogIn
from tests.peers.fixtures import Peers
from tests.services import free_port

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

BUTTON = "Put as a draft into the mailbox"


def firm() -> Tenant:
    return Tenant.objects.get(slug="huber")


def person(login: str) -> User:
    return User.objects.select_related("tenant__firm").get(login=login)


def change(owner: Tenant | User, **values: object) -> None:
    save_parameters(Book("test"), owner, own_values(owner) | values)


@pytest.fixture
def browser(log_in: LogIn, dovecot: Peers) -> Client:
    """Bernd's, whose mailbox is at Dovecot."""
    change(firm(), imap_server="localhost", imap_port=dovecot.ports["imaps"], ca_certificate=dovecot.ca_certificate)
    change(person("bernd"), smtp_user="bernd@test.local", sender_address="bernd@test.local")
    save_secret(Book("test"), person("bernd"), "smtp_password", "Bernd-pw-2")
    return log_in("bernd")


def held(login: str = "bernd", mode: str = "foreground", **more: Any) -> MailJob:
    PrintModel.objects.update(delivery_mode=mode)
    result = submit(person(login), parse_message({"print_model": "invoices", "to": ["a@b.example"], "variables": {"number": 1}}))
    assert result.status == "held"
    return MailJob.objects.latest("pk")


def page(browser: Client, job: MailJob) -> str:
    return browser.get(f"/jobs/{job.pk}/").content.decode()


def press(browser: Client, job: MailJob) -> str:
    return browser.post(f"/jobs/{job.pk}/", {"action": "draft"}, follow=True).content.decode()


def test_x1_the_button_puts_the_mail_into_the_mailbox_and_the_page_says_where(browser: Client) -> None:
    job = held()
    before = page(browser, job)
    assert BUTTON in before
    assert "Open in the mail client (.eml)" in before
    after = press(browser, job)
    assert "The mail lies in the mailbox as a draft. It has not been sent." in after
    assert "The mail lies as a draft in the mailbox bernd@test.local, folder Drafts, since" in after
    assert f"{BUTTON} once more" in after
    job.refresh_from_db()
    assert (job.state, job.held_reason) == ("held", "by_client")
    assert "Handed over" not in after.replace("Not handed over", "")
    assert AuditEvent.objects.filter(action="draft", actor="bernd").count() == 1


def test_m2_a_draft_of_the_delivery_mode_is_shown_as_it_comes(browser: Client) -> None:
    job = held(mode="background_draft")
    assert "The mail is being put as a draft into the mailbox" in page(browser, job)
    delivery.run(until_empty=True)
    assert "folder Drafts" in page(browser, job)


def test_u2_the_page_says_whom_a_redirected_draft_names(browser: Client) -> None:
    change(firm(), redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"])
    job = held()
    after = press(browser, job)
    assert "Because of the redirect mode it names test@kanzlei-huber.example in place of its recipients." in after


def test_a_failure_says_what_to_do_and_what_the_server_said(browser: Client) -> None:
    save_secret(Book("test"), person("bernd"), "smtp_password", "Falsches-Passwort-9")
    job = held()
    after = press(browser, job)
    assert "The mail could not be put as a draft into the mailbox. It has not been sent." in after
    assert "Correct user and password in the settings, then put it there again." in after
    assert "AUTHENTICATIONFAILED" in after
    assert "Falsches" not in after
    assert BUTTON in after


def test_a_mailbox_whose_password_is_missing_asks_for_it(browser: Client) -> None:
    change(person("bernd"), smtp_user="bernd")
    after = press(browser, held())
    assert "The password of the mailbox must be entered in the settings, or entered again; with OAuth" in after


def test_without_a_mailbox_there_is_the_download_alone(log_in: LogIn) -> None:
    browser, job = log_in("bernd"), held()
    shown = page(browser, job)
    assert BUTTON not in shown
    assert "Open in the mail client (.eml)" in shown
    delivery.run(until_empty=True)
    assert not MailDraft.objects.exists()
    drafted = held(mode="background_draft")
    delivery.run(until_empty=True)
    assert "The settings name no mailbox for it." in page(browser, drafted)


def test_the_button_works_for_nothing_else_and_nobody_else(browser: Client, log_in: LogIn) -> None:
    job = held()
    assert log_in("greta").post(f"/jobs/{job.pk}/", {"action": "draft"}).status_code == 404
    customers = held("mia")
    assert log_in("anna").post(f"/jobs/{customers.pk}/", {"action": "draft"}).status_code == 404, "T7: not the firm's to read"
    MailJob.objects.filter(pk=job.pk).update(held_reason="held_by_firm")
    assert browser.post(f"/jobs/{job.pk}/", {"action": "draft"}).status_code == 404
    assert not MailDraft.objects.exists()


def test_an_undrafted_mail_is_in_the_inbox(browser: Client) -> None:
    save_secret(Book("test"), person("bernd"), "smtp_password", "Falsches-Passwort-9")
    held(mode="background_draft")
    delivery.run(until_empty=True)
    inbox = browser.get("/inbox/").content.decode()
    assert "A mail could not be put as a draft into the mailbox" in inbox
    assert "Correct user and password in the settings, then put it there again." in inbox


# X2


def failed(send_system: int, *, mode: str = "as_parameters", unattended: bool = False) -> MailJob:
    """A mail of Bernd's to a server that is not there; asynchronous ones are given up at once."""
    change(firm(), smtp_server="localhost", smtp_port=free_port(), send_system=send_system)
    save_secret(Book("test"), person("bernd"), "smtp_password", "Bernd-pw-2")
    PrintModel.objects.update(delivery_mode=mode)
    message = parse_message({"print_model": "invoices", "to": ["a@b.example"], "variables": {"number": 1}})
    submit(person("bernd"), message, unattended=unattended)
    if send_system % 2:
        MailJob.objects.update(first_due_at="2020-01-01T00:00:00Z")
        delivery.run(until_empty=True)
    job = MailJob.objects.latest("pk")
    assert job.state == "failed", job.last_error
    return job


INSTEAD = "Send through the mail client instead"


def test_x2_a_direct_mail_that_was_not_handed_over_offers_the_client(browser: Client) -> None:
    job = failed(0)
    assert INSTEAD in page(browser, job)
    after = browser.post(f"/jobs/{job.pk}/", {"action": "client"}, follow=True).content.decode()
    assert "Open in the mail client (.eml)" in after
    assert "folder Drafts" in press(browser, job)
    job.refresh_from_db()
    assert (job.state, job.held_reason, job.channel) == ("held", "by_client", "client")
    assert AuditEvent.objects.filter(action="to_client").count() == 1
    assert not Incident.objects.filter(closed_at=None).exists()
    assert delivery.run(until_empty=True).document()["sent"] == 0


@pytest.mark.parametrize(
    "how",
    [{"send_system": 1}, {"send_system": 0, "unattended": True}, {"send_system": 0, "mode": "background_smtp"}],
    ids=["asynchronous", "unattended", "M2: by the send system only"],
)
def test_x2_nothing_else_ever_falls_back_to_the_client(browser: Client, how: dict[str, Any]) -> None:
    job = failed(**how)
    assert INSTEAD not in page(browser, job)
    assert browser.post(f"/jobs/{job.pk}/", {"action": "client"}).status_code == 404
    job.refresh_from_db()
    assert job.state == "failed"


def test_x2_what_was_reset_into_the_queue_or_reached_somebody_is_not_offered(browser: Client) -> None:
    job = failed(0)
    JobRecipient.objects.filter(job=job).update(state="accepted")
    assert INSTEAD not in page(browser, job)
    JobRecipient.objects.filter(job=job).update(state="pending")
    assert INSTEAD in page(browser, job)
    MailJob.objects.filter(pk=job.pk).update(direct=False)
    assert INSTEAD not in page(browser, job)
