"""The pages of failures, connections and mailboxes: axe-core finds nothing, and nothing is wider than a phone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from mailjobs import sharing
from mailjobs.connections import known_to
from mailjobs.core.lifecycle import State
from mailjobs.core.reply import ReplyClass
from mailjobs.keys import Scope, make, revoke
from mailjobs.models import Incident, MailJob, SharedConnection
from mailsettings.changes import Book, save_account, save_parameters
from mailsettings.changes.secrets import save_consent
from mailsettings.models import EmailAccount, Tenant
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import move_in, user
from tests.stories.test_incidents import LOST, SERVER, jobs, settle

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OAUTH = {"oauth_client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "oauth_tenant": "kanzlei-huber.example"}
SYSTEMS: dict[str, dict[str, Any]] = {
    "graph": {**OAUTH, "send_system": 11, "smtp_user": "office@kanzlei-huber.example"},
    "ntlm": {"send_system": 5, "smtp_server": "exchange.kanzlei-huber.example", "smtp_user": "anna", "ntlm_domain": "KANZLEI"},
    "mass": {"send_system": 1, "smtp_server": "smtp.mass-mail-international.example", "smtp_user": "kanzlei-huber-newsletter"},
    "far": {"send_system": 1, "smtp_server": "mx.far.example"},
}
DOCUMENT = "invoice 2026-000123"


@pytest.fixture
def scene(live_server: Any) -> dict[str, str]:
    """Mails of every fate and connections in every state; page → its address."""
    move_in(parameters={**SERVER, **OAUTH})
    settle(jobs("anna", 1))
    settle(jobs("bernd", 12), "550 5.1.1 User unknown", ReplyClass.RECIPIENT_REFUSED)
    settle(jobs("anna", 2), LOST, ReplyClass.LOST_IN_BODY, State.UNKNOWN)
    waiting = jobs("anna", 2)
    MailJob.objects.filter(pk__in=[mail.pk for mail in waiting]).update(document_key=DOCUMENT)
    accounts = _accounts()
    _stop_connections()
    ends = (None, timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=90))
    made = [make(user("anna"), user("anna"), name="Fakturierung", scopes=list(Scope), expires_at=end)[0] for end in ends]
    revoke(user("anna"), made[-1])
    many, one = Incident.objects.get(failures=12), Incident.objects.get(reason=ReplyClass.LOGIN_REFUSED)
    unknown = MailJob.objects.filter(state="unknown").values_list("pk", flat=True)[0]
    huber = Tenant.objects.get(slug="huber")
    return {
        "overview": reverse("dashboard"),
        "inbox": reverse("inbox"),
        "incident of many mails": reverse("incident", args=[many.pk]),
        "incident of a login": reverse("incident", args=[one.pk]),
        "uncertain mail": reverse("job", args=[unknown]),
        "mails of a document": f"{reverse('jobs')}?document={DOCUMENT}",
        "connections": reverse("connections"),
        "mailbox of an account": reverse("mailbox", args=["account", accounts["graph"].pk]),
        "mailbox without OAuth": reverse("mailbox", args=["account", accounts["ntlm"].pk]),
        "mailbox of the firm": reverse("mailbox", args=["tenant", huber.pk]),
        "mailbox of a user": reverse("mailbox", args=["user", user("anna").pk]),
        "move of the firm": f"{reverse('move', args=['tenant', huber.pk])}?to=8",
        "move of an account over NTLM": reverse("move", args=["account", accounts["ntlm"].pk]),
        "move that is made": reverse("move", args=["account", accounts["graph"].pk]),
        "account over Graph": reverse("account", args=[accounts["graph"].pk]),
        "account over NTLM": reverse("account", args=[accounts["ntlm"].pk]),
        "general settings": reverse("settings"),
        "own settings": reverse("own_settings"),
        "advisor": reverse("advisor"),
        "audit log": reverse("audit"),
        "API keys": reverse("own_keys"),
        "API keys of a user": reverse("user_keys", args=[user("bernd").pk]),
        "documentation of the API": reverse("api_documentation"),
    }


def _accounts() -> dict[str, EmailAccount]:
    book, huber = Book("anna"), Tenant.objects.get(slug="huber")
    accounts = {
        slug: save_account(book, tenant=huber, slug=slug, sender_address=f"{slug}@kanzlei-huber.example", values=values)
        for slug, values in SYSTEMS.items()
    }
    save_consent(book, accounts["graph"], "refresh-token-of-the-tests", mailbox="somebody.else@kanzlei-huber.example")
    save_parameters(book, user("anna"), {**OAUTH, "send_system": 10, "sender_address": "anna@kanzlei-huber.example"})
    return accounts


def _stop_connections() -> None:
    sharing.ids_of(list(known_to(user("anna"))))
    now = timezone.now()
    until = {"blocked_until": now + timedelta(hours=1)}
    rows = SharedConnection.objects
    rows.filter(key__startswith=SERVER["smtp_server"]).update(
        paused_at=now, paused_reply="535 5.7.8 Error: authentication failed"
    )
    rows.filter(key__startswith="smtp.mass").update(**until, block_reason="throttled", learned_per_minute=25, learned_sessions=2)
    rows.filter(key__startswith="mx.far").update(**until, block_reason="breaker", breaker_open=True, breaker_since=now)


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A German browser window; axe-core is let in beside the portal's own scripts."""
    context = chromium.new_context(locale="de-AT", color_scheme=request.param, bypass_csp=True)
    yield context.new_page()
    context.close()


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
        expect(reader).not_to_have_url(f"{live_server.url}/accounts/login/")
        found += [f"{name}: wider than the window"] if reader.evaluate(SCROLLS_SIDEWAYS) else []
        found += [f"{name}: {violation['id']} {violation['nodes'][0]['target']}" for violation in _violations(reader)]
    assert found == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_word_is_broken_in_a_button(live_server: Any, scene: dict[str, str], reader: Page, width: int) -> None:
    reader.set_viewport_size({"width": width, "height": 900})
    log_in(reader, live_server.url, "anna", "anna-log-in-1")
    reader.goto(live_server.url + scene["connections"])
    heights = [box["height"] for button in reader.locator("main .btn-sm").all() if (box := button.bounding_box())]
    assert len(heights) == 3
    assert max(heights) < 40


def _violations(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return found
