"""The pages of mails for the mail client, of copies and of what must be changed: axe-core, and nothing wider than a phone."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from mailjobs import drafting, lost, notices, sharing
from mailjobs.connections import known_to
from mailjobs.core.message import parse_message
from mailjobs.models import MailDraft, MailJob, SentErrand
from mailjobs.submission import submit
from mailsettings.changes import Book, own_values, save_account, save_parameters, save_secret
from mailsettings.models import PrintModel, Tenant
from tests.browser.test_pages import _violations, reader
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import move_in, user

__all__ = ["reader"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

State = MailDraft.State
PAST = "2020-01-01T00:00:00Z"
REFUSED = "password_refused: [AUTHENTICATIONFAILED] Authentication failed."
IMAP = {
    "smtp_server": "mail.kanzlei-huber.example",
    "imap_server": "mail.kanzlei-huber.example",
    "smtp_user": "office@kanzlei-huber.example",
    "smtp_password": "geheim-4711",
    "sender_address": "Kanzlei Huber <office@kanzlei-huber.example>",
}


@pytest.fixture
def scene(live_server: Any) -> dict[str, str]:
    """Drafts of every fate, a plain mail, copies, an uncertain mail that is looked for, deadlines; page → its address."""
    move_in(parameters=IMAP)
    huber = Tenant.objects.get(slug="huber")
    save_parameters(Book("anna"), user("anna"), own_values(user("anna")) | {"imap_user": "anna@kanzlei-huber.example"})
    drafts: dict[str, dict[str, Any]] = {
        "a draft that lies there": {"state": State.PLACED, "mailbox": "office@kanzlei-huber.example", "folder": "Entwürfe"},
        "a draft that was refused": {"state": State.FAILED, "error": REFUSED},
        "a draft without mailbox": {"state": State.FAILED, "error": drafting.NO_MAILBOX},
        "a draft in doubt": {"state": State.FAILED, "error": "closed_by_server", "uncertain": True},
        "a draft to come": {"state": State.WANTED, "error": "refused: connection refused"},
    }
    pages = {}
    PrintModel.objects.update(delivery_mode="foreground")
    for name, became in drafts.items():
        job = _mail("Honorarnote 2026-001042", html="<p>Guten Tag</p>")
        MailDraft.objects.create(job=job, **became)
        pages[name] = reverse("job", args=[job.pk])
        if became["state"] == State.FAILED:
            notices.tell_undrafted(job, str(became["error"]))
    plain = _mail("Rückfrage zur Honorarnote", html="")
    pages["a plain mail"] = reverse("job", args=[plain.pk])
    PrintModel.objects.update(delivery_mode="background_smtp")
    pages["a copy that lies there"] = _copied({"state": "done", "mailbox": "office@kanzlei-huber.example", "folder": "Gesendet"})
    pages["a copy that failed"] = _copied({"state": "failed", "error": REFUSED})
    pages["an uncertain mail"] = _uncertain()
    _deadlines(huber)
    more = {"overview": "dashboard", "inbox": "inbox", "connections": "connections", "settings": "settings"}
    return {**pages, **{name: reverse(view) for name, view in more.items()}}


def _mail(subject: str, *, html: str) -> MailJob:
    PrintModel.objects.update(subject=subject, html=html, text="Guten Tag,\nbitte melden Sie sich.")
    submit(user("anna"), parse_message({"print_model": "invoices", "to": ["max@kunde.example"], "variables": {}}))
    return MailJob.objects.latest("pk")


def _copied(became: dict[str, str]) -> str:
    job = _mail("Jahresabschluss 2025", html="<p>Guten Tag</p>")
    MailJob.objects.filter(pk=job.pk).update(state="sent", finished_at=timezone.now())
    SentErrand.objects.create(job=job, kind="copy", **became)
    return reverse("job", args=[job.pk])


def _uncertain() -> str:
    job = _mail("Lohnabrechnung November", html="<p>Guten Tag</p>")
    MailJob.objects.filter(pk=job.pk).update(state="sending", send_system=11, on_wire_at=PAST, lease_until=PAST)
    lost.reap()
    return reverse("job", args=[job.pk])


def _deadlines(huber: Tenant) -> None:
    book = Book("anna")
    microsoft = {"send_system": 1, "smtp_server": "smtp.office365.com", "smtp_user": "office@kanzlei-huber.example"}
    save_account(book, tenant=huber, slug="office", sender_address="office@kanzlei-huber.example", values=microsoft)
    exchange = {"send_system": 7, "ews_url": "https://outlook.office365.com/EWS/Exchange.asmx", "ews_auth": "oauth2"}
    client = {"oauth_client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "oauth_tenant": "kanzlei-huber.example"}
    ends = {"oauth_secret_expires": (timezone.localdate() + timedelta(days=12)).isoformat()}
    values = {**exchange, **client, **ends}
    account = save_account(book, tenant=huber, slug="ews", sender_address="ews@kanzlei-huber.example", values=values)
    save_secret(book, account, "oauth_client_secret", "geheim-4711")
    save_parameters(book, huber, own_values(huber) | {"send_system": 3, "confirm_shared_identity": True})
    sharing.ids_of(list(known_to(user("anna"))))


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing(
    live_server: Any, scene: dict[str, str], reader: Page, width: int
) -> None:
    reader.set_viewport_size({"width": width, "height": 900})
    log_in(reader, live_server.url, "anna", "anna-log-in-1")
    found = []
    for name, address in scene.items():
        reader.goto(live_server.url + address)
        expect(reader.locator("h1")).to_be_visible()
        found += [f"{name}: wider than the window"] if reader.evaluate(SCROLLS_SIDEWAYS) else []
        found += [f"{name}: {violation['id']} {violation['nodes'][0]['target']}" for violation in _violations(reader)]
    assert found == []


def test_x1_the_link_for_a_plain_mail_leads_to_a_mail_client(live_server: Any, scene: dict[str, str], page: Page) -> None:
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(live_server.url + scene["a plain mail"])
    link = page.get_by_role("link", name="Im Mailclient schreiben")
    answer = page.request.get(live_server.url + str(link.get_attribute("href")), max_redirects=0)
    assert answer.headers["location"].startswith("mailto:max@kunde.example?subject=R%C3%BCckfrage")
