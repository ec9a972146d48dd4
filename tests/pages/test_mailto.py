"""`mailto:` on the page of a mail that waits for the mail client, where it suffices; judged when it is asked for (X1, U2, C3)."""

from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from mailjobs.core.message import parse_message
from mailjobs.models import MailJob
from mailjobs.submission import submit
from mailsettings.changes import Book, own_values, save_parameters
from mailsettings.models import PrintModel, Tenant
from tests.cast import user
from tests.pages.conftest import LogIn

pytestmark = pytest.mark.django_db

LINK = "Write in the mail client"


@pytest.fixture
def browser(log_in: LogIn) -> Client:
    PrintModel.objects.update(delivery_mode="foreground", html="", text="Guten Tag & herzlich,\n50 % für Sie")
    return log_in("bernd")


def held(**more: Any) -> MailJob:
    told = {"print_model": "invoices", "to": ["a@b.example"], "cc": ["c@b.example"], "variables": {"number": 1}, **more}
    assert submit(user("bernd"), parse_message(told)).status == "held"
    return MailJob.objects.latest("pk")


def page(browser: Client, job: MailJob) -> str:
    return browser.get(f"/jobs/{job.pk}/").content.decode()


def test_x1_the_link_opens_the_mail_client_with_the_whole_mail(browser: Client) -> None:
    job = held(bcc=["d@b.example"])
    assert LINK in page(browser, job)
    answer = browser.get(f"/jobs/{job.pk}/mailto/")
    assert answer.status_code == 302
    to, _, rest = answer["Location"].partition("?")
    fields = dict(field.split("=") for field in rest.split("&"))
    assert to == "mailto:a@b.example"
    assert (fields["cc"], fields["bcc"]) == ("c@b.example", "d@b.example")
    assert unquote(fields["subject"]) == job.subject
    assert unquote(fields["body"]) == "Guten Tag & herzlich,\r\n50 % für Sie"
    job.refresh_from_db()
    assert (job.state, job.held_reason) == ("held", "by_client")


ATTACHED = {"attachments": [{"filename": "1.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0x"}]}


@pytest.mark.parametrize(
    ("model", "more"),
    [({"html": "<p>Guten Tag</p>"}, {}), ({}, ATTACHED), ({"text": "lang " * 500}, {})],
    ids=["HTML", "an attachment", "too long"],
)
def test_where_it_would_not_be_the_whole_mail_there_is_none(browser: Client, model: dict[str, str], more: dict[str, Any]) -> None:
    PrintModel.objects.update(**model)
    job = held(**more)
    assert LINK not in page(browser, job)
    assert "Open in the mail client (.eml)" in page(browser, job)
    assert browser.get(f"/jobs/{job.pk}/mailto/")["Location"] == f"/jobs/{job.pk}/"


def change(**values: object) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, own_values(firm) | values)


def test_u2_a_redirect_switched_on_meanwhile_holds_for_the_link_too(browser: Client) -> None:
    job = held()
    change(redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"])
    answer = browser.get(f"/jobs/{job.pk}/mailto/", follow=True).content.decode()
    assert "Open it as .eml." in answer
    assert LINK not in answer


def test_c3_the_sender_is_judged_when_it_is_asked_for(browser: Client) -> None:
    job = held()
    change(check_sender=True)
    assert "mailto:" not in browser.get(f"/jobs/{job.pk}/mailto/")["Location"]
    assert "employee" in page(browser, job)


def test_t7_it_is_for_nobody_else_and_for_no_other_mail(browser: Client, log_in: LogIn) -> None:
    job = held()
    assert log_in("greta").get(f"/jobs/{job.pk}/mailto/").status_code == 404
    MailJob.objects.update(state="new", held_reason="", held_for="")
    assert log_in("bernd").get(f"/jobs/{job.pk}/mailto/").status_code == 404
