"""Who introduces a print model: up with a question and the password, down with one click, and the form beside it."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mailsettings.models import PrintModel
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import move_in, user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ACCOUNT = {"id": "rechnungen", "sender_address": "rechnungen@kanzlei-huber.example"}


def begin(live_server: Any, page: Page, stage: str) -> PrintModel:
    """Anna stands before the firm's invoices, which are on this rung."""
    server = {"smtp_server": "mail.kanzlei-huber.example", "redirect_addresses": ["probe@kanzlei-huber.example"]}
    move_in(parameters=server, email_accounts=[ACCOUNT])
    PrintModel.objects.filter(tenant__slug="huber").update(stage=stage)
    model = PrintModel.objects.get(tenant__slug="huber")
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/print-models/")
    page.locator("a.row-link", has_text="invoices").click()
    expect(page.locator("h1")).to_have_text("invoices")
    return model


def test_u2_up_asks_for_the_password_and_down_is_one_click(live_server: Any, page: Page) -> None:
    model = begin(live_server, page, "redirected")
    expect(page.locator(".rung[aria-current=step]")).to_contain_text("probe@kanzlei-huber.example")
    page.fill("#why", "Probe gelesen")
    page.locator(".rung button[value=held]").click()

    expect(page.locator("#foresight tbody tr")).to_have_count(3)
    expect(page.locator("#id_why")).to_have_value("Probe gelesen")
    page.locator("button[name=foreseen]").click()
    expect(page.locator(".error-summary")).to_be_focused()
    page.fill("#id_login_password", "anna-log-in-1")
    page.press("#id_login_password", "Enter")
    expect(page.locator(".rung[aria-current=step] button")).to_have_count(0)
    model.refresh_from_db()
    assert model.stage == "held"
    expect(page.locator("#history")).to_contain_text("Anna Huber (anna): Probe gelesen")

    page.locator(".rung button[value=draft]").click()
    expect(page.locator("#history .timeline-item")).to_have_count(3)
    model.refresh_from_db()
    assert model.stage == "draft"


def test_m1_a_user_gets_an_account_of_their_own_and_loses_it_again(live_server: Any, page: Page) -> None:
    model = begin(live_server, page, "live")
    page.select_option("#id_user-0", str(user("bernd").pk))
    page.select_option("#id_account-0", label="rechnungen: rechnungen@kanzlei-huber.example")
    page.locator("button[name=more_rows]").click()
    expect(page.locator(".pair")).to_have_count(2)
    expect(page.locator("#id_user-0")).to_have_value(str(user("bernd").pk))
    page.locator(".form-actions button").first.click()
    expect(page.locator("#foresight tbody tr")).to_have_count(1)
    page.locator("#foresight button").click()
    expect(page.locator("#users")).to_contain_text("rechnungen@kanzlei-huber.example")
    assert list(model.user_accounts.values_list("user__login", "account__slug")) == [("bernd", "rechnungen")]

    page.locator(".pair button").first.click()
    page.locator(".form-actions button").first.click()
    page.locator("#foresight button").click()
    expect(page.locator("#users")).not_to_contain_text("rechnungen@kanzlei-huber.example")
    assert not model.user_accounts.exists()


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_page_fits_and_shows_the_html_in_its_frame(live_server: Any, page: Page, width: int) -> None:
    begin(live_server, page, "held")
    page.set_viewport_size({"width": width, "height": 844})
    page.reload()
    assert not page.evaluate(SCROLLS_SIDEWAYS)
    expect(page.frame_locator("#preview iframe").locator("p")).to_have_text("Guten Tag Max Muster")
    for path in ("/print-models/", "/print-models/new/"):
        page.goto(f"{live_server.url}{path}")
        assert not page.evaluate(SCROLLS_SIDEWAYS)
