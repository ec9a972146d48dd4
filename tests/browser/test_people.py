"""Log-in in a browser: passkeys with a virtual authenticator; the pages of one's own access with axe-core, on a phone too."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from mailjobs.people.models import Passkey, SignIn
from mailjobs.people.second_factor import new_recovery_codes
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import move_in, user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def address(live_server: Any) -> str:
    """Passkeys need a name, no number."""
    move_in()
    return str(live_server.url.replace("127.0.0.1", "localhost"))


@pytest.fixture
def device(page: Page) -> Any:
    """A device with a passkey store, in the browser of `page`."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    return session


def log_out(page: Page, address: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{address}/accounts/login/")


def test_z14_a_passkey_is_added_logs_in_alone_and_is_the_second_step(address: str, page: Page, device: Any) -> None:
    log_in(page, address, "anna", "anna-log-in-1")
    page.goto(f"{address}/accounts/access/")
    page.fill("#passkey-name", "Mein Laptop")
    page.get_by_role("button", name="Passkey hinzufügen").click()
    page.wait_for_url("**/recovery-codes/")
    page.get_by_role("main").get_by_role("button").last.click()
    expect(page.locator(".codes li")).to_have_count(10)
    assert Passkey.objects.get().name == "Mein Laptop"

    log_out(page, address)
    page.get_by_role("button", name="Mit Passkey anmelden").click()
    page.wait_for_url(f"{address}/")
    assert SignIn.objects.filter(how="passkey", user=user("anna")).count() == 1

    log_out(page, address)
    page.fill("input[name=login]", "anna")
    page.fill("input[name=password]", "anna-log-in-1")
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/second-step/")
    page.get_by_role("button", name="Passkey verwenden").click()
    page.wait_for_url(f"{address}/")
    assert Passkey.objects.get().counter > 1


def test_z14_a_passkey_that_was_removed_opens_nothing(address: str, page: Page, device: Any) -> None:
    log_in(page, address, "anna", "anna-log-in-1")
    page.goto(f"{address}/accounts/access/")
    page.get_by_role("button", name="Passkey hinzufügen").click()
    page.wait_for_url("**/recovery-codes/")
    Passkey.objects.all().delete()
    log_out(page, address)
    with page.expect_response("**/passkey/prove/**") as answered:
        page.get_by_role("button", name="Mit Passkey anmelden").click()
    assert answered.value.status == 200
    expect(page.locator("[data-passkey-error]")).not_to_be_empty()
    assert SignIn.objects.filter(how="passkey").count() == 0


def test_a_passkey_confirms_instead_of_the_password(address: str, page: Page, device: Any, settings: Any) -> None:
    log_in(page, address, "anna", "anna-log-in-1")
    page.goto(f"{address}/accounts/access/")
    page.get_by_role("button", name="Passkey hinzufügen").click()
    page.wait_for_url("**/recovery-codes/")
    settings.CONFIRM_MINUTES = 0
    page.goto(f"{address}/accounts/access/authenticator/")
    page.wait_for_url("**/confirm/**")
    settings.CONFIRM_MINUTES = 30
    page.get_by_role("button", name="Mit Passkey bestätigen").click()
    page.wait_for_url("**/authenticator/")


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A German browser window; axe-core is let in beside the portal's own scripts."""
    context = chromium.new_context(locale="de-AT", color_scheme=request.param, bypass_csp=True)
    yield context.new_page()
    context.close()


def looked_at(page: Page, name: str) -> list[str]:
    expect(page.locator("h1")).to_be_visible()
    wide = [f"{name}: wider than the window"] if page.evaluate(SCROLLS_SIDEWAYS) else []
    found = Axe().run(page).response["violations"]
    return [*wide, *(f"{name}: {row['id']} {row['nodes'][0]['target']}" for row in found)]


@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_on_the_pages_of_log_in_and_access(live_server: Any, reader: Page, width: int, tmp_path: Any) -> None:
    move_in()
    reader.set_viewport_size({"width": width, "height": 900})
    found = []
    for path in ("login", "forgotten", "welcome/not-a-token"):
        reader.goto(f"{live_server.url}/accounts/{path}/")
        found += looked_at(reader, path)
    other = Client()
    other.post(
        "/accounts/login/", {"login": "anna", "password": "anna-log-in-1"}, headers={"User-Agent": "Mozilla/5.0 Firefox/140"}
    )
    new_recovery_codes(user("anna"))
    Passkey.objects.create(user=user("anna"), name="Schlüssel", key="x", credential=b"")
    reader.goto(f"{live_server.url}/accounts/login/")
    reader.fill("input[name=login]", "anna")
    reader.fill("input[name=password]", "anna-log-in-1")
    reader.press("input[name=password]", "Enter")
    reader.wait_for_url("**/second-step/")
    found += looked_at(reader, "second step")
    Passkey.objects.all().delete()
    log_in(reader, live_server.url, "anna", "anna-log-in-1")
    Passkey.objects.create(user=user("anna"), name="Schlüssel", key="x", credential=b"")
    bernd = user("bernd").pk
    for path in ("access", "access/password", "access/authenticator", "access/recovery-codes", "confirm"):
        reader.goto(f"{live_server.url}/accounts/{path}/")
        found += looked_at(reader, path)
    for path in (f"users/{bernd}/access", "users/new", "com-customers/new"):
        reader.goto(f"{live_server.url}/{path}/")
        found += looked_at(reader, path)
    assert found == []


@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_on_the_first_steps(live_server: Any, reader: Page, width: int) -> None:
    reader.set_viewport_size({"width": width, "height": 900})
    reader.goto(f"{live_server.url}/accounts/first/")
    found = looked_at(reader, "first operator")
    move_in()
    log_in(reader, live_server.url, "max", "max-log-in-1")
    for path in ("", "start/mail-server", "start/sender", "start/test-mail", "settings/firm-view"):
        reader.goto(f"{live_server.url}/{path}/".replace("//", "/").replace(":/", "://"))
        found += looked_at(reader, path or "overview")
    reader.goto(f"{live_server.url}/start/mail-server/")
    reader.fill("#id_sender_address", "Musterkunde <musterkunde@gmx.at>")
    reader.press("#id_sender_address", "Enter")
    expect(reader.locator("#id_smtp_server")).to_have_value("mail.gmx.net")
    found += looked_at(reader, "guessed server")
    assert found == []
