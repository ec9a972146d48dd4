"""An administrator connects a mailbox: from the settings to the provider's page and back, which no policy of the page stops."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_story import log_in
from tests.cast import OFFICE, move_in
from tests.peers.graph_standin import GraphStandIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


def test_the_way_to_the_provider_and_back(live_server: Any, page: Page, service: GraphStandIn) -> None:
    move_in(
        parameters={
            "send_system": 11,
            "smtp_user": OFFICE,
            "graph_url": service.graph_url,
            "oauth_authority": service.authority,
            "oauth_client_id": "portal",
            "oauth_client_secret": "client-secret-of-the-tests",
            "ca_certificate": service.ca_pem,
        }
    )

    def agree(route: Route) -> None:
        """What the provider's page does when somebody agrees there."""
        route.fulfill(status=302, headers={"Location": service.consent(route.request.url, OFFICE)})

    page.route(f"{service.authority}/**", agree)
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/settings/")
    page.locator("a[href^='/mailboxes/tenant/']").click()
    page.locator("a.btn-primary").click()
    page.wait_for_url("**/mailboxes/tenant/**")
    expect(page.locator(".facts").first).to_contain_text(OFFICE)
    expect(page.locator(".facts").first).to_contain_text("(anna)")
    page.set_viewport_size({"width": 390, "height": 800})
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("button[value=forget]").click()
    expect(page.locator("button[value=forget]")).to_have_count(0)
