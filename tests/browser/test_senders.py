"""Who asks who would send as whom: choosing a case shows the answer, and the matrix scrolls in its own box."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_story import log_in
from tests.cast import move_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def test_r4_choosing_a_case_shows_its_answer(live_server: Any, page: Page) -> None:
    move_in(parameters={"check_sender": True})
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/senders/")
    expect(page.locator("#answer")).to_have_count(0)

    page.select_option("#ask-user", "bernd")
    page.select_option("#ask-model", "invoices")
    page.locator(".question button[type=submit]").click()
    expect(page.locator("#answer h3").first).to_contain_text("Bernd Moser")
    expect(page.locator(".ladder-level")).to_have_count(9)
    expect(page.locator("#ask-model")).to_have_value("invoices")
    assert page.evaluate("window.scrollY") == 0

    page.locator(".matrix tr", has_text="Anna Huber").locator(".matrix-link").first.click()
    expect(page.locator("#answer h3").first).to_contain_text("Anna Huber")
    expect(page.locator(".matrix [aria-current]")).to_have_count(1)


def test_searching_the_matrix_keeps_the_answer(live_server: Any, page: Page) -> None:
    move_in()
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/senders/?user=anna")
    page.fill("[data-search]", "moser")
    expect(page.locator(".matrix tbody tr")).to_have_count(1)
    expect(page.locator(".matrix tbody th")).to_contain_text("Bernd Moser")
    expect(page.locator("#answer")).to_be_visible()
    page.reload()
    expect(page.locator(".matrix tbody tr")).to_have_count(1)
    expect(page.locator("#answer")).to_be_visible()


def test_a_wide_matrix_scrolls_in_its_box_and_is_cards_on_a_phone(live_server: Any, page: Page) -> None:
    move_in(print_models=[{"id": f"model-{number}"} for number in range(20)])
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/senders/")
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.matrix-box'))")
    assert not page.evaluate(SCROLLS_SIDEWAYS)
    before = page.locator(".matrix tbody th").first.bounding_box()
    page.evaluate("document.querySelector('.matrix-box').scrollLeft = 1000")
    assert page.locator(".matrix tbody th").first.bounding_box() == before

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/senders/?only=stopped&user=anna")
    assert page.evaluate("document.querySelector('.tabs').scrollLeft") > 0
    assert page.evaluate("window.scrollY") == 0
    page.goto(f"{live_server.url}/senders/")
    expect(page.locator(".matrix-box")).to_be_hidden()
    expect(page.locator(".sender-card")).to_have_count(3)
    expect(page.locator(".sender-card").first.locator(".sender-group")).to_have_count(1)
    assert not page.evaluate(SCROLLS_SIDEWAYS)
