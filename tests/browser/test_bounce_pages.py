"""The pages of what came back, was delayed or delivered: axe-core, and nothing wider than a phone (J6)."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from mailjobs import bounces, notices
from mailjobs.core.bounces import Fate, Recipient, Report
from mailjobs.core.message import parse_message
from mailjobs.models import JobRecipient, MailJob, StateChoices
from mailjobs.submission import submit
from mailsettings.models import Tenant
from tests.browser.test_pages import _violations, reader
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import move_in, user

__all__ = ["reader"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SAID = {
    "max.muster@kunde.example": (
        Fate.FAILED,
        "5.1.1",
        "550 5.1.1 <max.muster@kunde.example>: Recipient address rejected: User unknown",
    ),
    "buchhaltung@muster-bau.example": (Fate.DELIVERED, "2.0.0", "250 2.0.0 delivered to mailbox"),
    "office@langsam.example": (Fate.DELAYED, "4.4.1", "connect to mx.langsam.example: Connection timed out"),
    "archiv@weit.example": (Fate.RELAYED, "2.0.0", "250 2.0.0 Ok: queued"),
}


@pytest.fixture
def scene(live_server: Any) -> dict[str, str]:
    """A mail with every fate, the next one to its recipients, the log and the inbox; page → its address."""
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    first = _mail()
    MailJob.objects.filter(pk=first.pk).update(state="sent")
    JobRecipient.objects.update(state="accepted")
    first.refresh_from_db()
    notices.record([notices.Settled(first, StateChoices.SENT)])
    bounces.take(first.tenant, [Report(tuple(Recipient(to, *what) for to, what in SAID.items()), first.message_id)])
    notices.tell_of_bounce_box(Tenant.objects.get(slug="huber"), "no_bounce_folder: Mailbox does not exist: Ruecklaeufer")
    following = _mail()
    pages = {"what came back": reverse("job", args=[first.pk]), "the next mail": reverse("job", args=[following.pk])}
    return {**pages, **{name: reverse(name) for name in ("log", "inbox", "settings")}}


def _mail() -> MailJob:
    words = {"number": "2026-001042", "name": "Muster"}
    submit(user("anna"), parse_message({"print_model": "invoices", "to": list(SAID), "variables": words}))
    return MailJob.objects.latest("pk")


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
