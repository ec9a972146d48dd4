"""The diagnosis in a browser: the steps appear without a reload, axe-core finds nothing, nothing is wider than a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from diagnostics.models import Diagnosis
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import connection_to
from tests.diagnostics.conftest import diagnose, move_in
from tests.services import CountingServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A German browser window; axe-core is let in beside the portal's own scripts."""
    context = chromium.new_context(locale="de-AT", color_scheme=request.param, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_are_narrow_enough_and_accessible(live_server: Any, smtp_server: CountingServer, reader: Page, width: int) -> None:
    move_in(connection_to(smtp_server))
    diagnose()
    smtp_server.password = "another"
    diagnose()
    green, red = Diagnosis.objects.order_by("pk").values_list("pk", flat=True)
    reader.set_viewport_size({"width": width, "height": 900})
    log_in(reader, live_server.url, "anna", "anna-log-in-1")
    found = []
    for address in (reverse("diagnosis"), reverse("diagnosis_of", args=[green]), reverse("diagnosis_of", args=[red])):
        reader.goto(live_server.url + address)
        expect(reader.locator("h1")).to_be_visible()
        for fold in reader.locator("details.fold").all():
            fold.evaluate("fold => { fold.open = true; }")
        found += [f"{address}: wider than the window"] if reader.evaluate(SCROLLS_SIDEWAYS) else []
        violations = Axe().run(reader).response["violations"]
        found += [f"{address}: {violation['id']} {violation['nodes'][0]['target']}" for violation in violations]
    assert found == []


def test_steps_appear_while_they_run(live_server: Any, smtp_server: CountingServer, chromium: Browser) -> None:
    move_in(connection_to(smtp_server))
    smtp_server.delay = 2.5
    page = chromium.new_context(locale="de-AT").new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(live_server.url + reverse("diagnosis"))
    page.locator("main form button[type=submit]").click()
    expect(page.locator("#course .state-sending")).to_be_visible()
    expect(page.locator("#course .is-passed").nth(3)).to_be_visible()  # some steps are there, and it still runs
    expect(page.locator("#course .state-passed")).to_be_visible(timeout=15_000)
    assert errors == []  # the strict CSP has nothing to object to
    page.context.close()
