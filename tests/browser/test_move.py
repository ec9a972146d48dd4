"""An administrator moves the firm to Microsoft Graph: the try appears by itself, then switches over."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mailsettings.changes import own_values
from mailsettings.models import Tenant
from tests.browser.test_story import log_in
from tests.cast import OFFICE, move_in
from tests.peers.graph_standin import GraphStandIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        running.may_send_as = {OFFICE: {"anna@kanzlei-huber.example"}}
        yield running


def test_try_and_switch_over(live_server: Any, page: Page, service: GraphStandIn) -> None:
    old = {"smtp_server": "smtp.office365.com", "smtp_user": OFFICE, "smtp_password": "old-one", "send_system": 0}
    registered = {
        "oauth_authority": service.authority,
        "oauth_client_id": "portal",
        "oauth_client_secret": "client-secret-of-the-tests",
        "graph_url": service.graph_url,
        "ca_certificate": service.ca_pem,
    }
    move_in(parameters=old | registered)
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    firm = Tenant.objects.get(slug="huber")
    page.goto(f"{live_server.url}/settings/")
    page.locator(f"a[href='/move/tenant/{firm.pk}/']").click()
    page.locator("button[value=try]").click()
    expect(page.locator("#switch")).to_be_visible(timeout=25_000)
    page.locator("#switch button.btn-primary").click()
    if page.locator("#switch button[name=foreseen]").count():
        page.locator("#switch button[name=foreseen]").click()
    page.wait_for_selector("button[value=back], #done")
    assert own_values(firm)["send_system"] == 10
    expect(page.locator("#proof [hx-get]")).to_have_count(0)
