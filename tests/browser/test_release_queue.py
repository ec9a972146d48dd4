"""A firm's administrator works through the release queue: looks at mails, releases some, rejects one; also on a phone."""

from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from mailjobs.models import InternalMessage, MailJob
from mailjobs.submission import submit_many
from mailsettings.models import Tenant
from tests.browser.test_story import log_in
from tests.cast import OFFICE, invoice, move_in, user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def queue(live_server: Any, page: Page) -> Page:
    """Anna before three mails of Eva that wait for the firm."""
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    Tenant.objects.filter(slug="beispiel").update(sends_as_firm="hold")
    submit_many(user("eva"), [invoice(number) for number in (1, 2, 3)])
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.locator('.nav a[href="/com-customers/releases/"]').click()
    return page


def states() -> list[str]:
    return list(MailJob.objects.order_by("pk").values_list("state", flat=True))


def test_t7_a_mail_is_loaded_into_a_sandboxed_frame_when_it_is_looked_at(queue: Page) -> None:
    expect(queue.locator(".release")).to_have_count(3)
    expect(queue.locator(".release").first).to_contain_text(OFFICE)
    expect(queue.locator("iframe")).to_have_count(0)
    queue.locator(".release summary").first.click()
    frame = queue.locator(".release iframe")
    expect(frame).to_have_attribute("sandbox", "")
    expect(queue.frame_locator(".release iframe").locator("p")).to_have_text("Guten Tag Müller & Co")


def test_p8_two_are_ticked_and_released_the_third_is_rejected_with_a_reason(queue: Page) -> None:
    boxes = queue.locator("[data-bulk-item]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(queue.locator("[data-bulk-count]")).to_have_text("2 ausgewählt")
    queue.locator(".bulkbar button[value=release]").click()
    expect(queue.locator(".release")).to_have_count(1)
    assert states() == ["held", "new", "new"]

    queue.locator("button[name=reject_one]").click()
    expect(queue.locator("#reason")).to_be_focused()
    queue.locator(".form-actions .btn-danger").click()
    expect(queue.locator("#reason-error")).to_be_visible()
    queue.fill("#reason", "Bitte mit der eigenen Adresse.")
    queue.locator(".form-actions .btn-danger").click()
    expect(queue.locator(".release")).to_have_count(0)
    expect(queue.locator(".message-success")).to_be_visible()
    assert states() == ["cancelled", "new", "new"]
    assert InternalMessage.objects.get(kind="rejected").error == "Bitte mit der eigenen Adresse."


def test_p8_all_of_one_com_customer_go_after_a_question(queue: Page) -> None:
    asked: list[str] = []

    def say_yes(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    queue.on("dialog", say_yes)
    queue.locator(".release").first.wait_for()
    queue.locator("form:not([data-bulk]) button[value=release]").click()
    expect(queue.locator(".release")).to_have_count(0)
    assert states() == ["new"] * 3
    assert len(asked) == 1


def test_queue_leak_report_and_locks_fit_a_phone(queue: Page) -> None:
    queue.set_viewport_size({"width": 390, "height": 844})
    home = queue.url.removesuffix("/com-customers/releases/")
    release = queue.locator(".release h2 a").first.get_attribute("href")
    for where in ("/com-customers/releases/", release, "/com-customers/", "/com-customers/new/", "/settings/locks/"):
        queue.goto(f"{home}{where}")
        assert not queue.evaluate(SCROLLS_SIDEWAYS), where
    queue.goto(f"{home}/com-customers/releases/")
    queue.locator(".release summary").first.click()
    expect(queue.locator(".release iframe")).to_be_visible()
    assert not queue.evaluate(SCROLLS_SIDEWAYS)


def test_the_search_narrows_the_leak_report_without_a_reload(queue: Page) -> None:
    queue.locator('.nav a[href="/com-customers/"]').click()
    expect(queue.locator(".customer")).to_have_count(2)
    queue.fill("[data-search]", "eva")
    expect(queue.locator(".customer")).to_have_count(1)
    expect(queue.locator(".leak-address.is-error")).to_have_text(OFFICE)
