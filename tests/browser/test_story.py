"""The story that counts: an invoice did not go out; somebody sees it, corrects the password, resets it, and it arrives."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mailjobs import delivery
from mailjobs.models import MailJob
from mailjobs.submission import submit
from tests.cast import invoice, move_in, user
from tests.services import CountingServer, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def engine() -> Iterator[None]:
    """The engine of a worker process."""
    thread = delivery.EngineThread(name="browser-test")
    thread.start()
    yield
    thread.stop()


def log_in(page: Page, address: str, login: str, password: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit], form button[type=submit]")
    expect(page.locator("h1")).to_be_visible()


def test_failed_job_is_seen_corrected_reset_and_sent(
    live_server: Any, page: Page, engine: None, smtp_server: CountingServer
) -> None:
    move_in(smtp_server)
    smtp_server.password = "corrected-1"
    submit(user("anna"), invoice(7))
    wait_until(lambda: MailJob.objects.filter(state="failed").exists(), seconds=20, what="the failure")

    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/inbox/")
    expect(page.locator("main")).to_contain_text("535 5.7.8")
    page.goto(f"{live_server.url}/jobs/?state=failed")
    expect(page.locator("main")).to_contain_text("Fehlgeschlagen")
    expect(page.locator("main")).to_contain_text("Rechnung 7")

    page.goto(f"{live_server.url}/settings/")
    page.fill("input[name=smtp_password]", "corrected-1")
    page.locator("main form button[type=submit]:not([name=inherit])").last.click()
    expect(page.locator("main")).not_to_contain_text("corrected-1")

    page.goto(f"{live_server.url}/jobs/?state=failed")
    page.locator("[data-bulk-item]").first.check()
    page.get_by_role("button", name="Sendestatus zurückstellen").first.click()
    smtp_server.wait_for(1, seconds=60)
    wait_until(lambda: MailJob.objects.get().state == "sent", seconds=10, what="the job to be sent")
    page.goto(f"{live_server.url}/log/")
    expect(page.locator("main")).to_contain_text("SMTP OK")
    assert [mail.recipients for mail in smtp_server.received] == [("klient7@kunde.example",)]
